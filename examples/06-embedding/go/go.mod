module mpijob.example/host

go 1.22
