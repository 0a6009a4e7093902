package store_test

import (
	"context"
	"net/url"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/e2e/postgres"
	"github.com/gatehouse-mcp/gatehouse/internal/store"
	"github.com/gatehouse-mcp/gatehouse/internal/store/storetest"
)

func TestPostgres(t *testing.T) {
	c := postgres.Start(t)
	storetest.Run(t, func(t *testing.T) *store.DB { return openPostgres(t, c.Database(t)) })
}

// Replicas that start together on an empty database make one schema and one default tenant.
func TestPostgresReplicasStartTogether(t *testing.T) {
	c := postgres.Start(t)
	dsn := c.Database(t)
	errs := make(chan error)
	const replicas = 4
	for range replicas {
		go func() {
			d, err := store.Open(context.Background(), store.Config{Postgres: dsn})
			if err == nil {
				err = d.Close()
			}
			errs <- err
		}()
	}
	for range replicas {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	d := openPostgres(t, dsn)
	all, err := d.Tenants().List(t.Context())
	if err != nil || len(all) != 1 {
		t.Errorf("got tenants %v, %v, want the default one only", all, err)
	}
	st, err := d.Status(t.Context())
	if err != nil || st.Engine != "postgres" || st.Pending != 0 || st.Size == 0 || st.Tenants != 1 {
		t.Errorf("got status %+v, %v", st, err)
	}
}

// A database that was told to lose commits is told otherwise by our sessions.
func TestA207PostgresCommitsAreDurable(t *testing.T) {
	c := postgres.Start(t)
	dsn := c.Database(t)
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	c.Exec(t, `ALTER DATABASE `+strings.TrimPrefix(u.Path, "/")+` SET synchronous_commit = off`)
	d := openPostgres(t, dsn)
	var got string
	if err := d.QueryForTest(t.Context(), `SHOW synchronous_commit`).Scan(&got); err != nil || got != "on" {
		t.Errorf("got %q, %v, want on", got, err)
	}
}

func TestA206AcknowledgedRevocationSurvivesServerCrash(t *testing.T) {
	c := postgres.Start(t)
	dsn := c.Database(t)
	for range 3 {
		d := openPostgres(t, dsn)
		k, _ := create(t, d)
		s, def := service(t, d)
		if _, err := s.Revoke(t.Context(), def, k.ID, "", ""); err != nil {
			t.Fatal(err)
		}
		c.Control(t, "restart")
		again := openPostgres(t, dsn)
		if now, err := again.Keys().Get(t.Context(), def, k.ID); err != nil || now.RevokedAt.IsZero() {
			t.Errorf("got %+v, %v, want it revoked", now, err)
		}
	}
}

// openPostgres opens a database that the test's end closes.
func openPostgres(t *testing.T, dsn string) *store.DB {
	t.Helper()
	d, err := store.Open(t.Context(), store.Config{Postgres: dsn})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}
