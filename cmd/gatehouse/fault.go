package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"syscall"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
)

// Exit codes. They are part of the interface, as the GH codes are.
const (
	exitOK          = 0
	exitFailure     = 1 // it did not work, or the answer is no
	exitUsage       = 2 // the command line or the configuration is wrong
	exitAuth        = 3
	exitNotFound    = 4
	exitNetwork     = 5 // nobody answered
	exitConflict    = 6 // it is so already, or somebody else was first
	exitPartial     = 7 // some of it was done
	exitInterrupted = 130
)

// fault is an error with the code that scripts branch on.
type fault struct {
	exit int
	code string
	text string // what, the values, the fix; empty: all was said
}

// Error returns the sentence.
func (f *fault) Error() string { return f.text }

func usage(format string, args ...any) error {
	return &fault{exitUsage, "GH-2403", sentence(fmt.Sprintf(format, args...))}
}

// sentence ends a text that does not end.
func sentence(text string) string {
	if text == "" || strings.HasSuffix(text, ".") || strings.HasSuffix(text, "?") || strings.HasSuffix(text, "--help") {
		return text
	}
	return text + "."
}

// report writes an error and returns the exit code that fits.
func (a *app) report(ctx context.Context, err error) int {
	var all config.Mistakes
	if errors.As(err, &all) {
		for _, m := range all {
			a.complain(m.Code, m.Error())
		}
		a.errorObject(all[0].Code, all.Error())
		return exitUsage
	}
	f := a.judge(ctx, err)
	if f.text != "" {
		a.complain(f.code, f.text)
		a.errorObject(f.code, f.text)
		if !a.json && ofMachine(f.code, err) {
			a.say("  Look  gatehouse doctor%s      what is wrong on this machine\n", a.place())
		}
	}
	return f.exit
}

// ofMachine says whether an error is about the machine that we are on, so that
// looking at it as a whole may tell more.
func ofMachine(code string, err error) bool {
	switch code {
	case "GH-1903", "GH-2002", "GH-2020", "GH-2031", "GH-2034", "GH-2230", "GH-2301", "GH-2304", "GH-2410", "GH-2415":
		return true
	case "GH-1901": // nobody gave it a code of its own
		return errors.As(err, new(syscall.Errno))
	}
	return false
}

// judge finds the code and the exit of an error.
func (a *app) judge(ctx context.Context, err error) *fault {
	var f *fault
	var refused *adminapi.Error
	switch {
	case errors.As(err, &f):
		return f
	case errors.As(err, &refused):
		return &fault{exitOf(refused.Status), refused.Code, refused.Message}
	case ctx.Err() != nil:
		return &fault{exitInterrupted, "GH-2406", "Interrupted."}
	case errors.Is(err, context.DeadlineExceeded):
		return &fault{exitNetwork, "GH-2407", "It took too long. Wait longer with --timeout 2m."}
	}
	return &fault{exitFailure, "GH-1901", sentence(err.Error())}
}

// exitOf maps the status of an answer.
func exitOf(status int) int {
	switch status {
	case http.StatusBadRequest:
		return exitUsage
	case http.StatusUnauthorized, http.StatusForbidden:
		return exitAuth
	case http.StatusNotFound:
		return exitNotFound
	case http.StatusConflict:
		return exitConflict
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return exitNetwork
	}
	return exitFailure
}

// complain writes one error for people.
func (a *app) complain(code, text string) {
	_, _ = fmt.Fprintf(a.err, "%s %s %s\n", a.mark(a.err, "✗"), code, text)
}

// errorObject writes one error for scripts.
func (a *app) errorObject(code, text string) {
	if !a.json {
		return
	}
	line, err := json.Marshal(map[string]any{"error": map[string]string{"code": code, "message": text}})
	if err == nil {
		_, _ = fmt.Fprintf(a.err, "%s\n", line)
	}
}
