package tenantfs_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/tenantfs"
)

func Example() {
	dir, err := os.MkdirTemp("", "files")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir) //nolint:errcheck // an example

	root, err := tenantfs.Open(dir) // once, at start
	if err != nil {
		fmt.Println(err)
		return
	}
	defer root.Close() //nolint:errcheck // as above

	ctx := gatehouse.NewContext(context.Background(), &gatehouse.Identity{Subject: "ada", Tenant: "acme"}) // Protect does that
	files, err := root.For(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer files.Close() //nolint:errcheck // as above

	fmt.Println(files.WriteFile("plan.txt", []byte("of acme")))
	_, err = files.ReadFile("../beta/plan.txt")
	fmt.Println(errors.Is(err, fs.ErrInvalid))
	// Output:
	// <nil>
	// true
}
