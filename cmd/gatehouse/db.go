package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
	"github.com/gatehouse-mcp/gatehouse/internal/server"
	"github.com/gatehouse-mcp/gatehouse/internal/store"
)

func (a *app) db() *cobra.Command {
	return group("db", "Look after the database",
		"  gatehouse db status\n  gatehouse db backup /var/backups/gatehouse.db\n",
		a.dbStatus(), a.dbBackup(), a.dbRestore())
}

func (a *app) dbStatus() *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Describe the database", Example: "  gatehouse db status --json\n", Args: exactly(), DisableFlagsInUseLine: true,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.with(c.Context(), false, func(ctx context.Context, d *door) error {
				s, err := d.Database(ctx)
				if err != nil {
					return err
				}
				return a.showDatabase(s)
			})
		},
	}
}

func (a *app) showDatabase(s *adminapi.Database) error {
	if a.json {
		return a.object(s)
	}
	return a.table([][]string{
		{"path", s.Path},
		{"engine", s.Engine},
		{"size", fmt.Sprintf("%d KiB", (s.Bytes+1023)/1024)},
		{"schema", strconv.FormatInt(s.Schema, 10)},
		{"tenants", strconv.FormatInt(s.Tenants, 10)},
		{"keys", strconv.FormatInt(s.Keys, 10)},
		{"changes", strconv.FormatInt(s.Revision, 10)},
	})
}

func (a *app) dbBackup() *cobra.Command {
	return &cobra.Command{
		Use: "backup FILE", Short: "Write a complete copy, while the server runs", Example: "  gatehouse db backup gatehouse-2026-11-23.db\n",
		Long: "Write a complete, checked copy of the database to a file that does not exist yet, mode 0600. It holds the\nhashes of all keys and the secret that seals sessions: keep it as private as the installation. What is secret in it\nbesides is sealed under store.encryption_key, or under the file seal.key beside the database. Neither is in the copy:\nkeep it too, and in another place.",
		Args: exactly("the name of a file"), DisableFlagsInUseLine: true,
		RunE: func(c *cobra.Command, args []string) error {
			path, err := filepath.Abs(args[0])
			if err != nil {
				return usage("%v", err)
			}
			return a.with(c.Context(), false, func(ctx context.Context, d *door) error {
				s, err := d.Backup(ctx, adminapi.Backup{Path: path})
				if err != nil {
					return err
				}
				if a.json {
					return a.object(s)
				}
				a.done("%s: %s, %s, %d KiB", s.Path, count(int(s.Tenants), "tenant", "tenants"), count(int(s.Keys), "key", "keys"), (s.Bytes+1023)/1024)
				return nil
			})
		},
	}
}

func (a *app) dbRestore() *cobra.Command {
	return &cobra.Command{
		Use: "restore FILE", Short: "Put a backup in the database's place; no server may run", Example: "  gatehouse db restore gatehouse-2026-11-23.db\n",
		Long: "Put a backup in the database's place. The database that was there is kept beside it. Everything since the\nbackup is undone, revocations included: keys revoked since then are valid again, and signing\nkeys retired since then are published again. The key that the backup was sealed under has to be there already:\nstore.encryption_key, or the file seal.key beside the database. Without it no server starts that signs.",
		Args: exactly("the name of a backup"), DisableFlagsInUseLine: true,
		RunE: func(c *cobra.Command, args []string) error { return a.restore(c.Context(), args[0]) },
	}
}

func (a *app) restore(ctx context.Context, from string) error {
	state, err := a.stateDir()
	if err != nil {
		return err
	}
	if a.dry {
		return a.rehearseRestore(ctx, state, from)
	}
	if err := a.confirm(ctx, "Replace the database in "+state.Dir+" by "+from+"? Keys revoked since the backup are valid again.", "restore"); err != nil {
		return err
	}
	ctx, stop := a.within(ctx, commandWait)
	defer stop()
	if err := state.Prepare(); err != nil {
		return err
	}
	kept, err := store.Restore{From: from, SQLite: state.DatabasePath(), Lock: state.Lock}.Run(ctx)
	if err != nil {
		return restoreFault(from, err)
	}
	if a.json {
		return a.object(map[string]string{"restored": from, "state": state.Dir, "kept": kept})
	}
	a.done("%s is the database in %s now", from, state.Dir)
	if kept != "" {
		a.say("  Undo  the old database is %s\n", kept)
	}
	return nil
}

// rehearseRestore restores to a place that goes away, to see that it can be done.
func (a *app) rehearseRestore(ctx context.Context, state server.State, from string) error {
	ctx, stop := a.within(ctx, commandWait)
	defer stop()
	dir, err := os.MkdirTemp("", "gatehouse-dry-run-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	there := server.State{Dir: dir}
	if _, err := (store.Restore{From: from, SQLite: there.DatabasePath(), Lock: there.Lock}).Run(ctx); err != nil {
		return restoreFault(from, err)
	}
	if a.json {
		return a.object(map[string]any{"restored": from, "state": state.Dir, "kept": "", "dry_run": true})
	}
	a.done("%s is sound and would replace the database in %s", from, state.Dir)
	return nil
}

func restoreFault(from string, err error) error {
	var refused *adminapi.Error
	if errors.As(err, &refused) {
		return err
	}
	var path *os.PathError
	if errors.As(err, &path) && path.Path == from {
		return usage("%s cannot be read: %v. Nothing was changed", from, path.Err)
	}
	for _, known := range []error{store.ErrCorrupt, store.ErrForeign, store.ErrNewer} {
		if errors.Is(err, known) {
			return usage("%s cannot be restored: %v. Nothing was changed", from, known)
		}
	}
	return fmt.Errorf("restore from %s: %w", from, err)
}
