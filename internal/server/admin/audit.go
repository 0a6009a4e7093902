package admin

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/policy"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
)

// Trail keeps who changed what: audit.Log.
type Trail interface {
	// Durable returns nil when the event is on disk, after all that were written before.
	Durable(ctx context.Context, e *audit.Event) error
	// Write returns nil when the event will be.
	Write(ctx context.Context, e *audit.Event) error
}

// actions names what the endpoints do. One that is not here is called by its
// pattern: to be forgotten must not mean to go unrecorded.
func actions() map[string]string {
	return map[string]string{
		"POST /v1/keys":                   "key.create",
		"POST /v1/keys/import":            "key.import",
		"PATCH /v1/keys/{id}":             "key.update",
		"POST /v1/keys/{id}/rotate":       "key.rotate",
		"DELETE /v1/keys/{id}/rotate":     "key.cancel",
		"POST /v1/keys/{id}/revoke":       "key.revoke",
		"POST /v1/tenants":                "tenant.create",
		"POST /v1/tenants/{name}/suspend": "tenant.suspend",
		"POST /v1/tenants/{name}/resume":  "tenant.resume",
		"DELETE /v1/tenants/{name}":       "tenant.delete",
		"POST /v1/tenants/{name}/link":    "tenant.link",
		"POST /v1/tenants/{name}/unlink":  "tenant.unlink",
		"POST /v1/db/backup":              "db.backup",

		"POST /v1/tokens/revocations":                "token.revoke",
		"DELETE /v1/tokens/revocations/{revocation}": "token.restore",

		"POST /v1/signing-keys/rotate":      "signing_key.rotate",
		"DELETE /v1/signing-keys":           "signing_key.abandon",
		"POST /v1/bans":                     "ban.add",
		"POST /v1/bans/lift":                "ban.remove",
		"POST /v1/signing-keys/{id}/retire": "signing_key.retire",

		"POST /v1/tools/approve": "tool.approve",

		"POST /v1/clients":         "client.create",
		"POST /v1/clients/approve": "client.approve",
		"POST /v1/clients/block":   "client.block",
		"POST /v1/clients/revoke":  "client.revoke",

		"POST /v1/clients/secret/rotate":   "client.rotate_secret",
		"DELETE /v1/clients/secret/rotate": "client.cancel_secret",

		"POST /v1/grants/revoke": "grant.revoke",

		"POST /v1/users":                   "user.create",
		"PATCH /v1/users/{user}":           "user.update",
		"DELETE /v1/users/{user}":          "user.delete",
		"POST /v1/users/{user}/invite":     "user.invite",
		"POST /v1/users/{user}/disable":    "user.disable",
		"POST /v1/users/{user}/enable":     "user.enable",
		"POST /v1/users/{user}/revoke-all": "user.revoke_all",
		"DELETE /v1/sessions/{session}":    "session.revoke",

		"POST /v1/keys/verify":   "", // only asks
		"POST /v1/config/reload": "", // who reloads writes it down, whoever asked for it
	}
}

// recorded wraps an endpoint that changes something: an event is on disk before
// the change is made, and another says what became of it. Without the first
// there is no change.
func (a *Admin) recorded(pattern string, do endpoint) endpoint {
	action, known := actions()[pattern]
	switch {
	case known && action == "", !known && strings.HasPrefix(pattern, http.MethodGet+" "):
		return do
	case !known:
		action = pattern
	}
	return func(r *http.Request) (reply, error) {
		if dryRun(r) {
			return do(r)
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return reply{}, unreadable(err)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		e := a.intent(r, action, body)
		if err := a.record(r.Context(), e); err != nil {
			return reply{}, err
		}
		out, err := do(r)
		if err != nil {
			refused := a.refusal(r, err)
			a.settle(r, e, reply{}, refused)
			return reply{}, refused
		}
		a.settle(r, e, out, nil)
		return out, nil
	}
}

// intent is the event before a change: who wants what.
func (a *Admin) intent(r *http.Request, action string, body []byte) *audit.Event {
	e := &audit.Event{
		Time: a.Now(), Kind: config.AuditAdmin, Action: action, Phase: audit.Intent, Request: rand.Text(), By: a.By,
		KeyID: r.PathValue("id"), Tenant: r.PathValue("name"), Subject: r.PathValue("user"), Detail: asked(body),
	}
	if id := r.PathValue("session"); id != "" {
		e.Detail["session"] = id
	}
	if e.ClientID = e.Detail["client_id"]; e.ClientID != "" {
		delete(e.Detail, "client_id")
	}
	if e.Detail["jwks"] != "" { // somebody may have taken the private ones
		e.Detail["jwks"] = "…"
	}
	name := "tenant"
	if action == "tenant.create" {
		name = "name"
	}
	if t := e.Detail[name]; t != "" {
		e.Tenant = t
		delete(e.Detail, name)
	} else if action == "key.create" {
		e.Tenant = tenant.Default
	}
	return e
}

// asked describes a request by its members. What could be a secret is hidden:
// the text and the hash of a key that is imported, and whatever is called like one.
func asked(body []byte) map[string]string {
	out := map[string]string{}
	hide, err := policy.Compile([]string{"key", "hash"})
	if err != nil {
		return out
	}
	var list struct{ Keys []json.RawMessage }
	if json.Unmarshal(body, &list) == nil && list.Keys != nil {
		out["keys"] = strconv.Itoa(len(list.Keys))
		return out
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(audit.Redact(body, hide), &members) != nil {
		return out
	}
	for name, value := range members {
		var text string
		var list []string
		switch {
		case json.Unmarshal(value, &text) == nil:
		case json.Unmarshal(value, &list) == nil:
			text = strings.Join(list, " ")
		default:
			text = string(value)
		}
		out[name] = text
	}
	return out
}

// record puts an intent down, or says why nothing may be changed.
func (a *Admin) record(ctx context.Context, e *audit.Event) error {
	why := "this server has no audit trail"
	if a.Audit != nil {
		err := a.Audit.Durable(ctx, e)
		if err == nil {
			return nil
		}
		why = err.Error()
	}
	a.Log.Error("nothing was changed", "action", e.Action, "error", why)
	return &adminapi.Error{
		Status: http.StatusServiceUnavailable, Code: codeUnrecorded,
		Message: fmt.Sprintf("Nothing was changed, because it could not be recorded: %s. Mend that, and try again.", why),
	}
}

// settle puts down what became of a change. The change stands whatever happens
// here, so an error is the log's; an intent without a result says where to look.
func (a *Admin) settle(r *http.Request, intent *audit.Event, out reply, refused *adminapi.Error) {
	ctx := context.WithoutCancel(r.Context()) // whoever asked may have left
	e := *intent
	e.Phase, e.Time, e.Detail = audit.Result, a.Now(), maps.Clone(intent.Detail)
	if refused != nil {
		become(&e, refused)
	} else {
		e.Outcome, e.Status = audit.OK, max(out.status, http.StatusOK)
	}
	var err error
	switch body := out.body.(type) {
	case *adminapi.Key:
		ofKey(&e, body)
	case adminapi.Tenant:
		e.Tenant, e.TenantID = body.Name, body.ID
		e.Detail = map[string]string{"state": body.State, "keys": strconv.Itoa(body.Keys)}
		if len(body.ExternalIDs) > 0 {
			e.Detail["external_ids"] = externalIDs(body.ExternalIDs)
		}
	case adminapi.Revocation:
		ofRevocation(&e, &body)
	case *adminapi.RevokedGrants:
		ofGrants(&e, body)
	case adminapi.OAuthClient:
		ofClient(&e, &body)
	case *adminapi.User:
		ofUser(&e, body)
	case adminapi.Invitation:
		e.Subject = body.User
	case adminapi.Session:
		e.Subject = body.User
	case []adminapi.Tool:
		ofTools(&e, body)
	case adminapi.Imported:
		err = a.imported(ctx, &e, body)
	}
	if err = errors.Join(err, a.Audit.Durable(ctx, &e)); err != nil {
		a.Log.Error("the result of a change is not in the audit trail", "action", e.Action, "request", e.Request, "outcome", e.Outcome, "error", err.Error())
	}
}

// become makes an event that of a refusal, or of a failure.
func become(e *audit.Event, refused *adminapi.Error) {
	e.Outcome, e.Status, e.Code, e.Reason = audit.Refused, refused.Status, refused.Code, refused.Message
	if refused.Status >= http.StatusInternalServerError {
		e.Outcome = audit.Failed
	}
}

// ofKey describes a key as it is now. A rotation makes another key; the event
// stays that of the key that was rotated.
func ofKey(e *audit.Event, k *adminapi.Key) {
	if e.KeyID != "" && e.KeyID != k.ID {
		e.Detail["new_key"] = k.ID
	} else {
		e.KeyID = k.ID
	}
	e.Tenant = k.Tenant
	for name, value := range map[string]string{
		"name": k.Name, "note": k.Note, "tools": strings.Join(k.Tools, " "), "networks": strings.Join(k.Networks, " "),
		"expires": date(k.Expires), "retire_at": date(k.RetireAt), "reason": k.Reason, "replaced_by": k.ReplacedBy,
	} {
		if value != "" {
			e.Detail[name] = value
		}
	}
}

func date(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// imported has an event for each key, before that of the whole.
func (a *Admin) imported(ctx context.Context, whole *audit.Event, list adminapi.Imported) error {
	good := 0
	for _, one := range list.Results {
		e := *whole
		e.Detail = map[string]string{}
		if one.Error != nil {
			become(&e, one.Error)
		} else if one.Key != nil {
			ofKey(&e, one.Key)
			good++
		}
		if err := a.Audit.Write(ctx, &e); err != nil {
			return err
		}
	}
	whole.Detail = map[string]string{"keys": strconv.Itoa(len(list.Results)), "imported": strconv.Itoa(good)}
	return nil
}
