package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Bounds of a program that is asked for a value.
const (
	askTime   = 10 * time.Second
	askOutput = 64 << 10 // bytes
)

// Ask runs a program to its end and returns what it wrote to standard output.
// It gets the environment of a child: PATH, HOME, LANG and TZ of ours. What it
// says besides is dropped, as it may hold parts of a secret.
func Ask(command, environ []string) ([]byte, error) {
	return ask(command, environ, askTime)
}

// AskWith is Ask of a program that gets these variables of ours too, and more time.
func AskWith(command, environ []string, also ...string) ([]byte, error) {
	return ask(command, environ, 3*askTime, also...)
}

func ask(command, environ []string, limit time.Duration, also ...string) ([]byte, error) {
	here, err := os.Getwd()
	if err != nil {
		return nil, fmt.Errorf("working directory: %w", err)
	}
	path := ""
	for _, kv := range environ {
		if name, v, _ := strings.Cut(kv, "="); SameVariable(name, "PATH") {
			path = v
		}
	}
	program, err := Resolve(command[0], path, here)
	if err != nil {
		return nil, err
	}
	// Where a child ends with the thread that started it, the thread has to stay.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	ctx, stop := context.WithTimeout(context.Background(), limit)
	defer stop()
	out := &bounded{most: askOutput}
	cmd := exec.CommandContext(ctx, program, command[1:]...)
	cmd.Env = (&Spec{Environ: environ, Env: picked(environ, also)}).environ(nil)
	cmd.SysProcAttr = sysAttr(nil)
	cmd.Stdout = out
	cmd.WaitDelay = termWait // for output that somebody it left behind holds open
	err = runGroup(cmd)
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("it took longer than %s", limit)
	case out.over:
		return nil, errors.New("it said more than 64 KiB")
	case err != nil && cmd.ProcessState != nil:
		return nil, fmt.Errorf("it %s; run it by hand to see why", how(cmd.ProcessState))
	case err != nil:
		return nil, fmt.Errorf("it cannot be started: %w", err)
	}
	return out.data, nil
}

// runGroup is cmd.Run of a program whose end is that of all that it has started.
func runGroup(cmd *exec.Cmd) error {
	var all *group
	begun := make(chan struct{})
	cmd.Cancel = func() error { // on another goroutine
		if <-begun; all != nil {
			all.signal(kill)
		}
		return nil
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	var err error
	all, err = groupOf(cmd.Process)
	close(begun)
	if err != nil { // it was ended
		return errors.Join(err, cmd.Wait())
	}
	defer all.close()
	return cmd.Wait()
}

// picked returns the variables with these names.
func picked(environ, names []string) map[string]string {
	out := map[string]string{}
	for _, kv := range environ {
		if name, value, _ := strings.Cut(kv, "="); slices.ContainsFunc(names, func(n string) bool { return SameVariable(n, name) }) {
			out[name] = value
		}
	}
	return out
}

// bounded keeps so much and no more. It has no ReadFrom, which would go past Write.
type bounded struct {
	data []byte
	most int
	over bool
}

// Write implements io.Writer.
func (b *bounded) Write(p []byte) (int, error) {
	if len(b.data)+len(p) > b.most {
		b.over = true
		return 0, errors.New("too much")
	}
	b.data = append(b.data, p...)
	return len(p), nil
}
