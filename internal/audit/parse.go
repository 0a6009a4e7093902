package audit

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"time"
)

// record is an event as a line has it.
type record struct {
	Time     time.Time         `json:"time"`
	Kind     string            `json:"kind"`
	Action   string            `json:"action"`
	Phase    string            `json:"phase"`
	Request  string            `json:"request"`
	Server   string            `json:"server"`
	Tenant   string            `json:"tenant"`
	TenantID string            `json:"tenant_id"`
	Subject  string            `json:"subject"`
	KeyID    string            `json:"key"`
	Client   string            `json:"client_supplied"`
	KeyName  string            `json:"key_name"`
	AuthAge  *int64            `json:"auth_age"`
	Issuer   string            `json:"issuer"`
	ClientID string            `json:"client_id"`
	TokenID  string            `json:"token"`
	Rights   *Rights           `json:"rights"`
	Rules    []string          `json:"rules"`
	Address  netip.Addr        `json:"address"`
	Method   string            `json:"method"`
	Name     string            `json:"name"`
	Status   int               `json:"status"`
	Code     string            `json:"code"`
	Reason   string            `json:"reason"`
	Outcome  string            `json:"outcome"`
	Took     int64             `json:"took_us"`
	Count    int               `json:"count"`
	Since    time.Time         `json:"since"`
	Args     json.RawMessage   `json:"args"`
	Detail   map[string]string `json:"detail"`
	By       string            `json:"by"`
}

// Parse reads one line of a trail.
func Parse(line []byte) (*Event, error) {
	var r record
	if err := json.Unmarshal(line, &r); err != nil {
		return nil, fmt.Errorf("read a line of the audit trail: %w", err)
	}
	return &Event{
		Time: r.Time, Kind: r.Kind, Action: r.Action, Phase: r.Phase, Request: r.Request,
		Server: r.Server, Tenant: r.Tenant, TenantID: r.TenantID, Subject: r.Subject, KeyID: r.KeyID,
		Client: r.Client, KeyName: r.KeyName, AuthAge: r.AuthAge, Issuer: r.Issuer, ClientID: r.ClientID, TokenID: r.TokenID, Rights: r.Rights, Rules: r.Rules, Address: r.Address, Method: r.Method, Name: r.Name,
		Status: r.Status, Code: r.Code, Reason: r.Reason, Outcome: r.Outcome, Took: time.Duration(r.Took) * time.Microsecond,
		Count: r.Count, Since: r.Since, Args: r.Args, Detail: r.Detail, By: r.By,
	}, nil
}
