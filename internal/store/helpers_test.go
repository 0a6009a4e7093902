package store_test

import (
	"database/sql"
	"errors"
	"net/url"
	"testing"

	"github.com/gatehouse-mcp/gatehouse"
)

// refusal returns the refusal in err or nil.
func refusal(err error) *gatehouse.Error {
	e, _ := errors.AsType[*gatehouse.Error](err)
	return e
}

// raw opens the file beside the store, as another program would.
func raw(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?_busy_timeout=5000")
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// holdWriteLock keeps every writer out until release is called.
func holdWriteLock(t *testing.T, path string) (release func()) {
	t.Helper()
	db := raw(t, path)
	if _, err := db.Exec(`BEGIN IMMEDIATE`); err != nil {
		t.Fatal(err)
	}
	return func() {
		if _, err := db.Exec(`ROLLBACK`); err != nil {
			t.Error(err)
		}
	}
}
