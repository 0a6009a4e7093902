package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/pin"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
)

// Tools remembers tools as they were approved: pin.Book.
type Tools interface {
	// Records returns what is known of the tools of a server, or of all for "".
	Records(ctx context.Context, server string) ([]pin.Record, error)
	// Approve approves tools as they were seen, all or none; pin.ErrRaced when one
	// is another by now.
	Approve(ctx context.Context, these []pin.Approval) error
}

// tools are the endpoints about tools.
type tools struct{ *Admin }

func (t *tools) list(r *http.Request) (reply, error) {
	server := r.URL.Query().Get("server")
	all, err := t.Tools.Records(r.Context(), server)
	if err != nil {
		return reply{}, err
	}
	if server != "" && len(all) == 0 {
		return reply{}, noTools(server)
	}
	names, err := t.names(r.Context())
	if err != nil {
		return reply{}, err
	}
	out := make([]adminapi.Tool, len(all))
	for i := range all {
		out[i] = wireTool(&all[i], names)
	}
	return reply{body: out}, nil
}

func (t *tools) diff(r *http.Request) (reply, error) {
	q := r.URL.Query()
	id, err := t.tenantOf(r.Context(), q.Get("tenant"))
	if err != nil {
		return reply{}, err
	}
	all, err := t.Tools.Records(r.Context(), q.Get("server"))
	if err != nil {
		return reply{}, err
	}
	one, err := pick(all, q.Get("server"), id, q.Get("tool"))
	if err != nil {
		return reply{}, err
	}
	names, err := t.names(r.Context())
	if err != nil {
		return reply{}, err
	}
	return reply{body: adminapi.ToolDiff{Tool: wireTool(one, names), Before: one.Approved, After: one.Seen}}, nil
}

func (t *tools) approve(r *http.Request) (reply, error) {
	var in adminapi.ApproveTools
	if err := read(r, &in); err != nil {
		return reply{}, err
	}
	switch {
	case in.Server == "":
		return reply{}, bad("Say of which server.")
	case in.All == (len(in.Tools) > 0):
		return reply{}, bad("Name tools, or ask for all of them.")
	case in.Hash != "" && len(in.Tools) != 1:
		return reply{}, bad("A hash is of one tool.")
	}
	id, err := t.tenantOf(r.Context(), in.Tenant)
	if err != nil {
		return reply{}, err
	}
	all, err := t.Tools.Records(r.Context(), in.Server)
	if err != nil {
		return reply{}, err
	}
	if len(all) == 0 {
		return reply{}, noTools(in.Server)
	}
	these, err := chosen(all, &in, id)
	if err != nil {
		return reply{}, err
	}
	names, err := t.names(r.Context())
	if err != nil {
		return reply{}, err
	}
	out, approvals := make([]adminapi.Tool, len(these)), make([]pin.Approval, len(these))
	for i, one := range these {
		approvals[i] = pin.Approval{Place: one.Place, Name: one.Name, Seen: one.Seen, At: t.Now(), By: t.By}
		one.Approved, one.At, one.By = one.Seen, approvals[i].At, t.By
		out[i] = wireTool(one, names)
		out[i].DryRun = dryRun(r)
	}
	if dryRun(r) || len(these) == 0 {
		return reply{body: out}, nil
	}
	if err := t.Tools.Approve(r.Context(), approvals); err != nil {
		if errors.Is(err, pin.ErrRaced) {
			err = conflict("A server has described one of the tools in yet another way a moment ago. Nothing was approved: look at it again with gatehouse tool diff " + in.Server)
		}
		return reply{}, err
	}
	for _, one := range these {
		t.Log.Info("tool approved", "server", one.Server, "tool", one.Name, "hash", pin.HashOf(one.Seen).String(), "by", t.By)
	}
	return reply{body: out}, nil
}

// chosen returns the records that are to be approved and are not.
func chosen(all []pin.Record, in *adminapi.ApproveTools, id tenant.ID) (these []*pin.Record, err error) {
	if in.All {
		for i := range all {
			if all[i].State() != pin.Approved && (in.Tenant == "" || all[i].Tenant == id) {
				these = append(these, &all[i])
			}
		}
		return these, nil
	}
	for _, name := range in.Tools {
		one, err := pick(all, in.Server, id, name)
		switch {
		case err != nil:
			return nil, err
		case in.Hash != "" && in.Hash != pin.HashOf(one.Seen).String():
			return nil, conflict(fmt.Sprintf("The tool %q is %s by now, not %s. Look at it again: gatehouse tool diff %s %s", name, pin.HashOf(one.Seen), in.Hash, in.Server, name))
		case one.State() != pin.Approved && !slices.Contains(these, one):
			these = append(these, one)
		}
	}
	return these, nil
}

// pick returns the record of one tool.
func pick(all []pin.Record, server string, id tenant.ID, name string) (*pin.Record, error) {
	if len(all) == 0 {
		return nil, noTools(server)
	}
	other := false
	for i := range all {
		if all[i].Name != name {
			continue
		}
		if all[i].Tenant == id {
			return &all[i], nil
		}
		other = true
	}
	message := fmt.Sprintf("The server %s has no tool %q that was seen. List them with: gatehouse tool list %[1]s", server, name)
	if other {
		message = fmt.Sprintf("The server %s has a tool %q for other tenants only. Say for which: --tenant NAME", server, name)
	}
	return nil, &adminapi.Error{Status: http.StatusNotFound, Code: codeNotFound, Message: message}
}

func noTools(server string) error {
	return &adminapi.Error{
		Status: http.StatusNotFound, Code: codeNotFound,
		Message: fmt.Sprintf("No tool of a server %q was seen. They are remembered from its first list on, where policy.tool_pinning is on.", server),
	}
}

// tenantOf returns the id of a tenant by its name or id; none for "".
func (t *tools) tenantOf(ctx context.Context, name string) (tenant.ID, error) {
	if name == "" {
		return "", nil
	}
	one, err := t.Tenants.Find(ctx, name)
	if err != nil {
		return "", err
	}
	return one.ID, nil
}

// names are those of all tenants.
func (t *tools) names(ctx context.Context) (map[tenant.ID]string, error) {
	list, err := t.Tenants.List(ctx)
	if err != nil {
		return nil, err
	}
	names := make(map[tenant.ID]string, len(list))
	for i := range list {
		names[list[i].ID] = list[i].Name
	}
	return names, nil
}

func wireTool(r *pin.Record, names map[tenant.ID]string) adminapi.Tool {
	w := adminapi.Tool{
		Server: r.Server, Tenant: names[r.Tenant], Name: r.Name, State: string(r.State()), Hash: pin.HashOf(r.Seen).String(),
		Seen: r.SeenAt.UTC(), First: r.First.UTC(), ApprovedBy: r.By,
	}
	if w.Tenant == "" {
		w.Tenant = string(r.Tenant) // one that is gone
	}
	if r.Approved != nil {
		at := r.At.UTC()
		w.ApprovedAt, w.Approved = &at, pin.HashOf(r.Approved).String()
	}
	return w
}

// ofTools describes the tools that were approved.
func ofTools(e *audit.Event, list []adminapi.Tool) {
	all := make([]string, len(list))
	for i := range list {
		e.Server = list[i].Server
		all[i] = list[i].Name + " " + list[i].Hash
	}
	e.Detail["approved"] = strings.Join(all, ", ")
}
