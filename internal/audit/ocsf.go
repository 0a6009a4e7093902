package audit

import (
	"encoding/json"
	"net/http"

	"github.com/gatehouse-mcp/gatehouse/internal/config"
)

// Classes and values of OCSF 1.3.0, schema.ocsf.io
const (
	ocsfVersion = "1.3.0"

	ocsfIdentity    = 3 // category: identity and access management
	ocsfApplication = 6 // category: application activity

	ocsfAuthentication   = 3002 // class
	ocsfEntityManagement = 3004
	ocsfAPIActivity      = 6003

	ocsfLogon = 1 // activity of Authentication
	ocsfOther = 99
)

type object = map[string]any

// ocsf is an event in the Open Cybersecurity Schema Framework.
func ocsf(e *Event, version string) object {
	category, class, activity, name := ocsfApplication, ocsfAPIActivity, ocsfOther, "Call"
	switch e.Kind {
	case config.AuditAuthFailed:
		category, class, activity, name = ocsfIdentity, ocsfAuthentication, ocsfLogon, "Logon"
	case config.AuditAdmin:
		category, class, name = ocsfIdentity, ocsfEntityManagement, e.Action
	}
	out := object{
		"category_uid": category, "class_uid": class, "activity_id": activity, "activity_name": name, "type_uid": class*100 + activity,
		"time":     e.Time.UnixMilli(),
		"metadata": object{"version": ocsfVersion, "product": object{"name": "Gatehouse", "vendor_name": "Gatehouse", "version": version}, "uid": e.Request},
	}
	ocsfResult(out, e)
	actor := object{}
	who := object{}
	put(who, "name", first(e.By, e.Subject))
	put(who, "credential_uid", first(e.KeyID, e.TokenID))
	put(who, "domain", e.Issuer)
	if e.Tenant != "" || e.TenantID != "" {
		org := object{}
		put(org, "name", e.Tenant)
		put(org, "uid", e.TenantID)
		who["org"] = org
	}
	if len(who) > 0 {
		actor["user"] = who
	}
	put(actor, "app_name", e.Client)
	if len(actor) > 0 {
		out["actor"] = actor
	}
	if e.Address.IsValid() {
		out["src_endpoint"] = object{"ip": e.Address.String()}
	}
	if e.Method != "" {
		api := object{"operation": e.Method, "request": object{"uid": e.Request}}
		if e.Server != "" {
			api["service"] = object{"name": e.Server}
		}
		if e.Status != 0 {
			api["response"] = object{"code": e.Status}
		}
		out["api"] = api
	}
	if e.Name != "" {
		out["resources"] = []object{{"name": e.Name, "type": e.Method}}
	}
	if e.Kind == config.AuditAdmin {
		out["entity"] = object{"name": first(e.KeyID, first(e.Tenant, "gatehouse")), "data": e.Detail}
	}
	if rest := ocsfRest(e); len(rest) > 0 {
		out["unmapped"] = rest
	}
	return out
}

// ocsfResult adds how it went.
func ocsfResult(out object, e *Event) {
	severity, status := 1, 1 // informational, success
	switch {
	case e.Kind == config.AuditAuthFailed, e.Outcome == Refused, e.Outcome == Failed, e.Outcome == Cut:
		severity, status = 2, 2 // low, failure
	case e.Outcome == "":
		status = 0 // unknown: an intent
	}
	if e.Status >= http.StatusInternalServerError {
		severity = 3 // medium
	}
	out["severity_id"], out["status_id"] = severity, status
	put(out, "status_code", e.Code)
	put(out, "status_detail", e.Reason)
	if e.Count > 1 {
		out["count"], out["start_time"], out["end_time"] = e.Count, e.Since.UnixMilli(), e.Time.UnixMilli()
	}
	if e.Took > 0 {
		out["duration"] = e.Took.Milliseconds()
	}
}

// ocsfRest is what the framework has no place for.
func ocsfRest(e *Event) object {
	rest := object{}
	put(rest, "kind", e.Kind)
	put(rest, "action", e.Action)
	put(rest, "phase", e.Phase)
	put(rest, "outcome", e.Outcome)
	put(rest, "client_id", e.ClientID)
	if e.Rights != nil {
		rest["rights"] = e.Rights
	}
	if len(e.Rules) > 0 {
		rest["rules"] = e.Rules
	}
	if json.Valid(e.Args) {
		rest["args"] = json.RawMessage(e.Args)
	}
	return rest
}

func put(o object, name, value string) {
	if value != "" {
		o[name] = value
	}
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
