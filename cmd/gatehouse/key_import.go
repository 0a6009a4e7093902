package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
)

func (a *app) keyImport() *cobra.Command {
	var base adminapi.NewKey
	var r rights
	c := &cobra.Command{
		Use: "import [- | env:NAME | file:PATH]", Short: "Take over keys made elsewhere in the same format",
		Long: "Take over keys that another installation made: one on each line, as the key itself or as a JSON object with\n" +
			"\"key\", or \"id\" and \"hash\" (\"sha256:\" and 64 hex digits), and optionally name, tenant, tools, networks, note,\n" +
			"expires, limit and certificate (\"sha256:\" and a thumbprint).\n" +
			"Flags fill in what a line does not say. A line that cannot be read stops everything before anything is imported;\n" +
			"after that each key is judged by itself, and exit code 7 says that some were refused.",
		Example: "  gatehouse key import file:keys.jsonl --tenant acme\n  gatehouse key import --name old-ci < key.txt\n",
		Args:    cobra.MaximumNArgs(1), DisableFlagsInUseLine: true,
		RunE: func(c *cobra.Command, args []string) error {
			if err := r.blank(c); err != nil {
				return err
			}
			base.Tools, base.Networks, base.Note, base.Expires, base.Limit = r.tools, r.networks, r.note, r.expires, r.limit
			var err error
			if base.Certificate, err = a.thumbprint(r.certificate); err != nil {
				return err
			}
			text, err := a.source(args)
			if err != nil {
				return err
			}
			keys, err := importLines(text, base)
			if err != nil {
				return err
			}
			return a.imports(c.Context(), keys)
		},
	}
	c.Flags().StringVar(&base.Name, "name", "", "what the keys are called (default \"imported\")")
	c.Flags().StringVar(&base.Tenant, "tenant", "", "whose they are (default \"default\")")
	r.flags(c, " (default 90d, unless configured otherwise)")
	return c
}

// importLines reads one key from each line. An error names the line and
// repeats nothing of it.
func importLines(text string, base adminapi.NewKey) ([]adminapi.ImportKey, error) {
	var keys []adminapi.ImportKey
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		k := adminapi.ImportKey{NewKey: base}
		// A decoder fills the slices it finds: each line needs its own.
		k.Tools, k.Networks = slices.Clone(base.Tools), slices.Clone(base.Networks)
		if strings.HasPrefix(line, "{") {
			d := json.NewDecoder(bytes.NewReader([]byte(line)))
			d.DisallowUnknownFields()
			switch err := d.Decode(&k); {
			case err != nil:
				return nil, usage("line %d is not an object with the members of a key: %v", n, member(err))
			case k.Tools != nil && len(k.Tools) == 0: // the door takes none for all
				return nil, usage("line %d names no tools. Leave tools out, or say [\"*\"], for all", n)
			}
			if _, err := d.Token(); !errors.Is(err, io.EOF) {
				return nil, usage("line %d has more than one object", n)
			}
		} else {
			k.Key = line
		}
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		return nil, usage("there are no keys in what was given")
	}
	return keys, nil
}

// member is what the decoder says, unless that could repeat a value.
func member(err error) string {
	if strings.HasPrefix(err.Error(), "json: unknown field") {
		return strings.TrimPrefix(err.Error(), "json: ")
	}
	return "it cannot be decoded"
}

// imports takes the keys over and says what became of each.
func (a *app) imports(ctx context.Context, keys []adminapi.ImportKey) error {
	var results []adminapi.ImportResult
	err := a.with(ctx, true, func(ctx context.Context, d *door) (err error) {
		results, err = d.ImportKeys(ctx, keys)
		return err
	})
	if err != nil {
		return err
	}
	var first *adminapi.Error
	in := 0
	for i, r := range results {
		if r.Error == nil {
			in++
			if !a.json {
				a.print("%s  %s\n", r.Key.ID, r.Key.Name)
			}
			continue
		}
		if first == nil {
			first = r.Error
		}
		a.complain(r.Error.Code, fmt.Sprintf("Key %d of %d: %s", i+1, len(results), sentence(r.Error.Message)))
	}
	if a.json {
		if err := a.object(results); err != nil {
			return err
		}
	}
	switch {
	case first == nil:
		a.done("%s imported", count(in, "key", "keys"))
		return nil
	case in == 0:
		return &fault{exit: exitOf(status(first)), code: first.Code}
	}
	a.done("%d of %d keys imported", in, len(results))
	return &fault{exit: exitPartial, code: first.Code}
}

// status is the HTTP status that a refusal inside an answer would have had.
func status(e *adminapi.Error) int {
	return map[string]int{"GH-2401": 404, "GH-2402": 409, "GH-2403": 400, "GH-2405": 409, "GH-2408": 409, "GH-1902": 503}[e.Code]
}
