// SPDX-License-Identifier: Apache-2.0

// An operator in Go that asks the function over JSON: `mpijob hook --lines` is its child
// process. Its store is a map; a real host has a client and a cache in its place. The
// rest is what any host does: ask, carry out the steps, ask again.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"os"
	"time"
)

// Object is a Kubernetes object, or a part of one.
type Object = map[string]any

// Answer is what we read of an answer; the schema has the rest.
type Answer struct {
	Stage    string
	Because  string
	Steps    [][]Action
	Problems []struct{ Path, Message string }
	Error    *struct{ Reason, Path, Message string }
}

// Action is one request to the API server, complete but for its slots.
type Action struct {
	Action string
	Ref    struct{ Kind, Namespace, Name string }
	Method string
	Path   string
	Body   Object
	Slots  []string
	Keys   []string
	Expect Object
}

// until asks and carries out until nothing is left to do.
func until(hook *Hook, store *Store, now time.Time) error {
	for round := 0; round < 10; round++ {
		answer, err := hook.Ask(store.job(), store.others(), now)
		if err != nil {
			return err
		}
		if len(answer.Steps) == 0 {
			fmt.Printf("%s %s\n", now.Format(time.TimeOnly), answer.Stage)
			return nil
		}
		for _, step := range answer.Steps {
			// Actions of one step may be sent side by side; here it is one by one.
			for _, action := range step {
				if err := store.carryOut(action, now); err != nil {
					return err
				}
			}
		}
	}
	return fmt.Errorf("there is always something left to do")
}

func run(file string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	job := Object{}
	if err := json.Unmarshal(data, &job); err != nil {
		return err
	}
	hook, err := StartHook()
	if err != nil {
		return err
	}
	defer hook.Close()
	store := NewStore(job)
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, next := range []func(){func() {}, store.podsRun, store.launcherSucceeds} {
		next()
		if err := until(hook, store, now); err != nil {
			return err
		}
		now = now.Add(5 * time.Second)
	}
	return nil
}

func main() {
	log.SetFlags(0)
	if err := run("../mpijob.json"); err != nil {
		log.Fatalf("error: %v", err)
	}
}
