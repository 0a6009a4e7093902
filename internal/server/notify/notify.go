// Package notify tells the service manager how the server is: ready, reloading,
// stopping, alive. Without a manager that wants to know, nothing happens.
package notify

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// Ready says that callers are served, also after a reload, and how things are.
func Ready(status string) error { return send(daemon.SdNotifyReady, status) }

// Reloading says that the configuration is being read again. Ready has to follow.
func Reloading() error {
	// The manager waits for this moment's clock, to tell this reload from one before. sd_notify(3)
	return send(strings.TrimSuffix(daemon.SdNotifyReloading+"\n"+daemon.SdNotifyMonotonicUsec(), "\n"), "reloading the configuration")
}

// Stopping says that the end has begun.
func Stopping() error { return send(daemon.SdNotifyStopping, "stopping") }

// Status tells people how things are, in `systemctl status`.
func Status(text string) error { return send("", text) }

func send(state, status string) error {
	line := strings.Map(func(r rune) rune {
		if r < ' ' {
			return ' ' // a line of its own would be another message
		}
		return r
	}, status)
	if _, err := daemon.SdNotify(false, strings.TrimPrefix(state+"\nSTATUS="+line, "\n")); err != nil {
		return fmt.Errorf("notify the service manager: %w", err)
	}
	return nil
}

// Watch tells the manager that we live, as often as it wants to hear it, for as
// long as healthy says so. Once it does not, or does not answer, the manager's
// patience ends, and it starts us anew. Watch returns when ctx ends, or at once
// when nobody watches.
func Watch(ctx context.Context, healthy func(context.Context) bool) error {
	patience, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		return fmt.Errorf("read what the watchdog wants: %w", err)
	}
	if patience == 0 {
		return nil
	}
	tick := time.NewTicker(max(patience/3, time.Millisecond))
	defer tick.Stop()
	for {
		asked, done := context.WithTimeout(ctx, patience/3)
		if healthy(asked) {
			_, err = daemon.SdNotify(false, daemon.SdNotifyWatchdog)
		}
		done()
		if err != nil {
			return fmt.Errorf("notify the watchdog: %w", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
