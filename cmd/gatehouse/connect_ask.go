package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/internal/clients"
)

// asksWhich says whether somebody is there to choose clients when none is named.
func (a *app) asksWhich(q *connecting) bool {
	return !q.list && !a.json && !a.yes && terminal(a.in) && terminal(a.out)
}

// askWhich has a person choose among the clients that are found here; nil: they
// chose none.
func (a *app) askWhich(ctx context.Context, q *connecting, to *target) ([]*clients.Client, error) {
	var found []*clients.Client
	var fresh []string // the numbers of those that are not connected
	rows := [][]string{}
	s := a.system()
	for _, c := range clients.All() {
		file := c.File(s, q.project)
		if !c.Writes() || file == "" || !c.Installed(s, a.program) {
			continue
		}
		found = append(found, c)
		row := clientRow{File: file}
		row.look(c, to, a)
		n := strconv.Itoa(len(found))
		if len(row.As) == 0 {
			fresh = append(fresh, n)
		}
		rows = append(rows, []string{"  " + n, c.Name, a.tilde(file), strings.TrimSpace(row.State + " " + row.Detail)})
	}
	if len(found) > 0 {
		a.print("Clients found here, to be connected to %s:\n\n", to.url)
		if err := a.table(rows); err != nil {
			return nil, err
		}
		a.print("\n")
	}
	otherwise := "none"
	if len(fresh) > 0 {
		otherwise = strings.Join(fresh, ",")
	}
	var chosen []*clients.Client
	a.lines()
	ask := &questions{app: a, ctx: ctx, in: a.typed}
	err := ask.one("Which? Numbers or names with commas between, all, or none", otherwise, func(text string) (err error) {
		chosen, err = pickClients(text, found)
		return err
	})
	return chosen, err
}

// pickClients reads an answer: numbers of what was shown, names of any client, all or none.
func pickClients(text string, shown []*clients.Client) ([]*clients.Client, error) {
	var all []*clients.Client
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' || r == ';' }) {
		n, err := strconv.Atoi(word)
		switch {
		case word == "none" && strings.TrimSpace(text) == word:
			return nil, nil
		case word == "all" && strings.TrimSpace(text) == word:
			return shown, nil
		case err == nil && (n < 1 || n > len(shown)):
			return nil, fmt.Errorf("there is no %d", n)
		case err == nil:
			all = append(all, shown[n-1])
		default:
			c := clients.Find(word)
			if c == nil {
				return nil, fmt.Errorf("there is no client %.40q. See: gatehouse connect --list", word)
			}
			all = append(all, c)
		}
	}
	if len(all) == 0 {
		return nil, errors.New("numbers, names, all or none")
	}
	var once []*clients.Client
	for _, c := range all {
		if !slices.ContainsFunc(once, func(o *clients.Client) bool { return o.ID == c.ID }) {
			once = append(once, c)
		}
	}
	return once, nil
}
