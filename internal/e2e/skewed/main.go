// Command skewed is a bridge whose clock is wrong by as much as a file says, at any
// time: a test sets it forward and back, as people and time servers do.
//
//	skewed URL KEYCHAIN FILE    FILE has a duration such as -3h
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/bridge"
	"github.com/gatehouse-mcp/gatehouse/internal/keychain"
	"github.com/gatehouse-mcp/gatehouse/internal/signin"
)

func main() {
	if err := run(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(url, dir, file string) error {
	store, err := keychain.Open(context.Background(), keychain.Options{Dir: dir, NoRing: true})
	if err != nil {
		return err
	}
	clock := func() time.Time {
		text, err := os.ReadFile(file)
		if err != nil {
			return time.Now()
		}
		wrong, err := time.ParseDuration(strings.TrimSpace(string(text)))
		if err != nil { // it is being written
			return time.Now()
		}
		return time.Now().Add(wrong)
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	open := func(ctx context.Context, at string) error { return exec.CommandContext(ctx, "xdg-open", at).Start() }
	access := &signin.Client{Server: url, Store: store, Open: open, Log: log, Now: clock}
	b := &bridge.Bridge{Server: url, Access: access, In: os.Stdin, Out: os.Stdout, Log: log, Now: clock}
	return b.Run(context.Background())
}
