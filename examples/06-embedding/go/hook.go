// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// Hook is the function in a child process: a line there, a line back.
type Hook struct {
	process *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
}

// StartHook starts `mpijob hook --lines`; mpijob is found on the PATH.
func StartHook() (*Hook, error) {
	process := exec.Command("mpijob", "hook", "--lines")
	process.Stderr = os.Stderr
	in, err := process.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	return &Hook{process, in, bufio.NewReader(out)}, process.Start()
}

// Ask sends one request and waits for its answer.
func (hook *Hook) Ask(job Object, observed []Object, now time.Time) (*Answer, error) {
	request := Object{
		"version":  "v1",
		"job":      job,
		"observed": observed,
		// A map has no cache before it: what is seen is live.
		"live":  []string{"Pods", "LauncherJob"},
		"world": Object{"now": now.Format(time.RFC3339)},
	}
	line, err := json.Marshal(request)
	if err != nil {
		return nil, err
	}
	if _, err := hook.in.Write(append(line, '\n')); err != nil {
		return nil, err
	}
	reply, err := hook.out.ReadBytes('\n')
	if err != nil {
		return nil, err
	}
	answer := &Answer{}
	if err := json.Unmarshal(reply, answer); err != nil {
		return nil, err
	}
	if answer.Error != nil {
		return nil, fmt.Errorf("%s: %s", answer.Error.Reason, answer.Error.Message)
	}
	for _, problem := range answer.Problems {
		return nil, fmt.Errorf("%s %s", problem.Path, problem.Message)
	}
	return answer, nil
}

// Close ends the child process: the end of its input is the end of its work.
func (hook *Hook) Close() {
	hook.in.Close()
	hook.process.Wait()
}
