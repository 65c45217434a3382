// SPDX-License-Identifier: Apache-2.0

// Command smd answers what Kubernetes makes of a story of applies and updates.
//
// It is Kubernetes's own field manager over structured-merge-diff, without a server
// around it. Its argument is a file of OpenAPI models; each line of its input is a
// story, and each line of its output says how the story went, write by write.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/kube-openapi/pkg/validation/spec"
)

// story is what several clients write to one object, one after the other.
type story struct {
	APIVersion string  `json:"apiVersion"`
	Kind       string  `json:"kind"`
	Writes     []write `json:"writes"`
}

// write is one of apply, force, update and clear (of metadata.managedFields).
type write struct {
	Verb        string         `json:"verb"`
	Manager     string         `json:"manager"`
	Subresource string         `json:"subresource"`
	Object      map[string]any `json:"object"`
}

// answer is what is there after a write, and why the write was refused, if it was.
type answer struct {
	Object    map[string]any       `json:"object"`
	Conflicts []metav1.StatusCause `json:"conflicts,omitempty"`
	Error     string               `json:"error,omitempty"`
}

// plain stands in for what the server does with objects of several versions and of
// unknown content: here is one version, and nothing is defaulted.
type plain struct{}

func (plain) Convert(_, _, _ any) error { return errors.New("there is one version") }

func (plain) ConvertToVersion(in runtime.Object, _ runtime.GroupVersioner) (runtime.Object, error) {
	return in, nil
}

func (plain) ConvertFieldLabel(_ schema.GroupVersionKind, label, value string) (string, string, error) {
	return label, value, nil
}

func (plain) Default(runtime.Object) {}

func (plain) New(kind schema.GroupVersionKind) (runtime.Object, error) {
	return empty(kind), nil
}

func empty(kind schema.GroupVersionKind) *unstructured.Unstructured {
	object := &unstructured.Unstructured{Object: map[string]any{}}
	object.SetGroupVersionKind(kind)
	return object
}

// judge keeps one object and writes to it.
type judge struct {
	types managedfields.TypeConverter
	kind  schema.GroupVersionKind
	live  *unstructured.Unstructured
}

func (j *judge) manager(subresource string) *managedfields.FieldManager {
	manager, err := managedfields.NewDefaultFieldManager(
		j.types, plain{}, plain{}, plain{}, j.kind, j.kind.GroupVersion(), subresource, nil)
	if err != nil {
		log.Fatal(err)
	}
	return manager
}

func (j *judge) write(w write) (runtime.Object, error) {
	manager := j.manager(w.Subresource)
	before := j.live.DeepCopy()
	given := &unstructured.Unstructured{Object: w.Object}
	switch w.Verb {
	case "apply", "force":
		return manager.Apply(before, given, w.Manager, w.Verb == "force")
	case "update":
		return manager.Update(before, given, w.Manager)
	case "clear":
		given = before.DeepCopy()
		given.Object["metadata"].(map[string]any)["managedFields"] = []any{}
		return manager.Update(before, given, w.Manager)
	default:
		return nil, fmt.Errorf("what is %q?", w.Verb)
	}
}

func (j *judge) answer(w write) answer {
	after, err := j.write(w)
	if err == nil {
		j.live = after.(*unstructured.Unstructured)
		if j.live.GetUID() == "" {
			j.live.SetUID("u")
		}
		return answer{Object: j.live.DeepCopy().Object}
	}
	found := answer{Object: j.live.DeepCopy().Object, Error: err.Error()}
	var status *apierrors.StatusError
	if errors.As(err, &status) && apierrors.IsConflict(err) {
		found.Conflicts = status.ErrStatus.Details.Causes
	}
	return found
}

func models(path string) managedfields.TypeConverter {
	text, err := os.ReadFile(path)
	if err != nil {
		log.Fatal(err)
	}
	found := map[string]*spec.Schema{}
	if err := json.Unmarshal(text, &found); err != nil {
		log.Fatal(err)
	}
	types, err := managedfields.NewTypeConverter(found, false)
	if err != nil {
		log.Fatal(err)
	}
	return types
}

func main() {
	types := models(os.Args[1])
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<24)
	out := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var asked story
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			log.Fatal(err)
		}
		kind := schema.FromAPIVersionAndKind(asked.APIVersion, asked.Kind)
		j := judge{types: types, kind: kind, live: empty(kind)}
		answers := []answer{}
		for _, w := range asked.Writes {
			answers = append(answers, j.answer(w))
		}
		if err := out.Encode(answers); err != nil {
			log.Fatal(err)
		}
	}
	if err := lines.Err(); err != nil {
		log.Fatal(err)
	}
}
