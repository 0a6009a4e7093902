package tenantsql_test

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/tenantsql"
)

func ExampleFor() {
	db, err := sql.Open("pgx", "postgres://app@127.0.0.1:1/notes")
	if err != nil {
		fmt.Println(err)
		return
	}
	// At start: if err := tenantsql.Check(ctx, db, "note"); err != nil { … }

	ctx := gatehouse.NewContext(context.Background(), &gatehouse.Identity{Subject: "ada"}) // Protect does that
	err = tenantsql.For(ctx, db, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO note (body) VALUES ($1)`, "of the caller's tenant")
		return err
	})
	fmt.Println(err)
	// Output: GH-1206: The credential names no tenant.
}
