// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"sort"
	"strconv"
	"strings"
	"time"
)

// Store is a cluster in a map: path of the object -> object.
type Store struct {
	objects map[string]Object
	jobPath string
	version int
}

// NewStore returns a cluster with one MPIJob in it.
func NewStore(job Object) *Store {
	path := "/apis/kubeflow.org/v2beta1/namespaces/default/mpijobs/pi"
	// As in the API server, no object ever has the version 1.
	store := &Store{map[string]Object{}, path, 1}
	store.put(path, job)
	return store
}

func (store *Store) job() Object { return store.objects[store.jobPath] }

func (store *Store) others() []Object {
	result := []Object{}
	for _, path := range store.paths("") {
		if path != store.jobPath {
			result = append(result, store.objects[path])
		}
	}
	return result
}

func (store *Store) paths(part string) []string {
	result := []string{}
	for path := range store.objects {
		if strings.Contains(path, part) {
			result = append(result, path)
		}
	}
	sort.Strings(result)
	return result
}

func inner(value Object, key string) Object {
	if found, ok := value[key].(Object); ok {
		return found
	}
	value[key] = Object{}
	return value[key].(Object)
}

func (store *Store) put(path string, value Object) {
	store.version++
	metadata := inner(value, "metadata")
	metadata["resourceVersion"] = strconv.Itoa(store.version)
	if old, found := store.objects[path]; found {
		metadata["uid"] = inner(old, "metadata")["uid"]
	} else {
		metadata["uid"] = fmt.Sprintf("uid-%d", store.version)
		metadata["generation"] = 1
	}
	store.objects[path] = value
}

// guarded tells whether the object is the one that the function decided on: what a body
// or its preconditions say of uid and resourceVersion must be so. In an apply the
// resourceVersion "1" says that there must be no such object.
func (store *Store) guarded(path string, guard Object) error {
	value, found := store.objects[path]
	if guard["resourceVersion"] == "1" {
		if found {
			return fmt.Errorf("409: %s is taken", path)
		}
		return nil
	}
	if !found {
		return fmt.Errorf("404: there is no %s", path)
	}
	for _, key := range []string{"uid", "resourceVersion"} {
		if want := guard[key]; want != nil && want != inner(value, "metadata")[key] {
			return fmt.Errorf("409: %s of %s is another", key, path)
		}
	}
	return nil
}

// carryOut does what an API server does with a request.
func (store *Store) carryOut(action Action, now time.Time) error {
	told := strings.TrimSpace(action.Ref.Kind + " " + action.Ref.Name)
	fmt.Printf("%s %s %s\n", now.Format(time.TimeOnly), action.Method, told)
	for _, slot := range action.Slots {
		if slot == "data" {
			private, public, err := keyPair()
			if err != nil {
				return err
			}
			action.Body["data"] = Object{action.Keys[0]: private, action.Keys[1]: public}
		}
	}
	switch action.Action {
	case "Event":
		return nil // Somebody else's store.
	case "Confirm":
		return store.guarded(action.Path, Object{"uid": action.Expect["uid"]})
	case "Create":
		path := action.Path + "/" + action.Ref.Name
		if _, found := store.objects[path]; found {
			return fmt.Errorf("409: %s is taken", path)
		}
		store.put(path, action.Body)
	case "Delete":
		guard := inner(action.Body, "preconditions")
		if err := store.guarded(action.Path, guard); err != nil {
			return err
		}
		delete(store.objects, action.Path)
	case "WriteStatus":
		if err := store.guarded(store.jobPath, inner(action.Body, "metadata")); err != nil {
			return err
		}
		job := store.job()
		job["status"] = action.Body["status"]
		store.put(store.jobPath, job)
	case "Apply", "Touch":
		if err := store.guarded(action.Path, inner(action.Body, "metadata")); err != nil {
			return err
		}
		merged := Object{}
		merge(merged, store.objects[action.Path])
		merge(merged, action.Body)
		store.put(action.Path, merged)
	default:
		return fmt.Errorf("the contract has grown: what is %s?", action.Action)
	}
	return nil
}

// merge is an apply without owners: enough where nobody else writes.
func merge(into, from Object) {
	for key, value := range from {
		if part, ok := value.(Object); ok {
			merge(inner(into, key), part)
		} else {
			into[key] = value
		}
	}
}

// podsRun is the Job controller and the kubelets: the launcher gets its pod, all run.
func (store *Store) podsRun() {
	for _, path := range store.paths("/jobs/") {
		job := store.objects[path]
		name, uid := inner(job, "metadata")["name"], inner(job, "metadata")["uid"]
		template := inner(inner(job, "spec"), "template")
		pod := Object{"apiVersion": "v1", "kind": "Pod", "spec": template["spec"]}
		metadata := inner(pod, "metadata")
		merge(metadata, inner(template, "metadata"))
		metadata["name"], metadata["namespace"] = fmt.Sprintf("%s-x", name), "default"
		metadata["ownerReferences"] = []any{Object{
			"apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": uid, "controller": true,
		}}
		store.put(fmt.Sprintf("/api/v1/namespaces/default/pods/%s-x", name), pod)
	}
	for _, path := range store.paths("/pods/") {
		inner(store.objects[path], "status")["phase"] = "Running"
	}
}

// launcherSucceeds is the end of mpirun, as the Job controller tells it.
func (store *Store) launcherSucceeds() {
	for _, path := range store.paths("launcher-x") {
		inner(store.objects[path], "status")["phase"] = "Succeeded"
	}
	for _, path := range store.paths("/jobs/") {
		status := inner(store.objects[path], "status")
		status["conditions"] = []any{Object{"type": "Complete", "status": "True"}}
	}
}
