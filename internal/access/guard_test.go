package access_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/access"
	"github.com/gatehouse-mcp/gatehouse/internal/apikey"
	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
	"github.com/gatehouse-mcp/gatehouse/internal/policy"
)

// keys knows one key, or refuses, and notes the tools that were used.
type keys struct {
	key  *apikey.Active
	err  error
	used []string
}

func (k *keys) Verify(context.Context, *gatehouse.Credential) (*apikey.Active, error) {
	return k.key, k.err
}

func (k *keys) Watch(ctx context.Context, _ *apikey.Active) (context.Context, func(error)) {
	return ctx, func(error) {}
}

func (k *keys) Used(_ *apikey.Active, _ netip.Addr, client, tool string) {
	k.used = append(k.used, client+"/"+tool)
}

// admitted returns a guard and a caller who may call the tools.
func admitted(t *testing.T, tools ...string) (*access.Guard, *access.Caller, *keys) {
	t.Helper()
	set, err := policy.Compile(tools)
	if err != nil {
		t.Fatal(err)
	}
	k := &keys{key: &apikey.Active{Tools: set}}
	g := &access.Guard{Keys: k}
	c, err := g.Admit(t.Context(), &gatehouse.Credential{Text: "a key", From: netip.MustParseAddr("127.0.0.1")})
	if err != nil {
		t.Fatal(err)
	}
	return g, c, k
}

// request is a message as the reader makes it of a method's request.
func request(method, name string) mcp.Message {
	return mcp.Message{Kind: mcp.Request, ID: []byte("1"), Method: method, Name: name}
}

func single(era mcp.Era, m mcp.Message) *mcp.Call {
	return &mcp.Call{Era: era, Messages: []mcp.Message{m}}
}

// verdict writes a decision as the caller sees it: status, code and id; "pass" for none.
func verdict(err error) string {
	if err == nil {
		return "pass"
	}
	e, ok := errors.AsType[*mcp.Error](err)
	if !ok {
		return err.Error()
	}
	return fmt.Sprintf("%d %d %s", e.Status, e.Code, e.ID)
}

func TestAdmitReturnsNoCallerBesideAnError(t *testing.T) {
	away := &gatehouse.Error{Code: "GH-1902", Status: 503}
	tests := []struct {
		name string
		err  error
		want string
	}{
		{"what is no key of ours", fmt.Errorf("wrapped: %w", gatehouse.ErrNotMine), "GH-1011"},
		{"a refused key", gatehouse.Refuse("GH-1012", "Replaced.", nil), "GH-1012"},
		{"a store that is away", away, "GH-1902"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			// The key beside the error is what a broken verifier might return.
			g := &access.Guard{Keys: &keys{key: &apikey.Active{}, err: tt.err}}
			c, err := g.Admit(t.Context(), &gatehouse.Credential{Text: "x"})
			e, ok := errors.AsType[*gatehouse.Error](err)
			if c != nil || !ok || e.Code != tt.want {
				t.Errorf("got %v, %v, want no caller and %s", c, err, tt.want)
			}
		})
	}
}

// TestA156RulesThatChangeBetweenTwoQuestions has keys switched off, and a tenant
// left out, after a caller was let in.
func TestA156RulesThatChangeBetweenTwoQuestions(t *testing.T) {
	before, c, _ := admitted(t, "*")
	c.TenantName = "acme"
	for code, g := range map[string]*access.Guard{
		"GH-1011": {},
		"GH-1204": {Keys: before.Keys, Tenants: map[string]struct{}{"other": {}}},
	} {
		err := g.Check(c, single(mcp.Modern, request("ping", "")), nil)
		if e, ok := errors.AsType[*gatehouse.Error](err); !ok || e.Code != code {
			t.Errorf("got %v for a call, want %s", err, code)
		}
	}
	ctx, end := (&access.Guard{}).Watch(t.Context(), c)
	defer end(nil)
	if e, ok := errors.AsType[*gatehouse.Error](context.Cause(ctx)); !ok || e.Code != "GH-1011" {
		t.Errorf("got %v, want the watch to end with GH-1011", context.Cause(ctx))
	}
}

// The methods that a client may send to a server, revision by revision, written
// down from the schemas and not from the code.
var (
	requests = map[string][]string{
		mcp.Version20241105: {
			"initialize", "ping", "tools/list", "tools/call", "resources/list", "resources/templates/list", "resources/read",
			"resources/subscribe", "resources/unsubscribe", "prompts/list", "prompts/get", "completion/complete", "logging/setLevel",
		},
		mcp.Version20250326: {
			"initialize", "ping", "tools/list", "tools/call", "resources/list", "resources/templates/list", "resources/read",
			"resources/subscribe", "resources/unsubscribe", "prompts/list", "prompts/get", "completion/complete", "logging/setLevel",
		},
		mcp.Version20250618: {
			"initialize", "ping", "tools/list", "tools/call", "resources/list", "resources/templates/list", "resources/read",
			"resources/subscribe", "resources/unsubscribe", "prompts/list", "prompts/get", "completion/complete", "logging/setLevel",
		},
		mcp.Version20251125: {
			"initialize", "ping", "tools/list", "tools/call", "resources/list", "resources/templates/list", "resources/read",
			"resources/subscribe", "resources/unsubscribe", "prompts/list", "prompts/get", "completion/complete", "logging/setLevel",
			"tasks/get", "tasks/result", "tasks/list", "tasks/cancel",
		},
		mcp.Version20260728: {
			"server/discover", "subscriptions/listen", "tools/list", "tools/call", "resources/list", "resources/templates/list",
			"resources/read", "prompts/list", "prompts/get", "completion/complete", "tasks/get", "tasks/update", "tasks/cancel",
		},
	}
	notifications = []string{
		"notifications/initialized", "notifications/cancelled", "notifications/progress",
		"notifications/roots/list_changed", "notifications/tasks/status",
	}
	// strangers are methods that no client has for a server: those of the other
	// direction, and names that look as if.
	strangers = []string{
		"sampling/createMessage", "elicitation/create", "roots/list", "x/custom", "rpc.discover", "tools", "tools/", "tools/delete",
		"tools/call/", "tools/call ", " tools/call", "Tools/Call", "TOOLS/CALL", "tools/\u017fall", "tools\u2215call", "//tools/call", "tools/call\u200b",
		"notifications/message", "notifications/tools/list_changed", "notifications/resources/updated", "notifications/x", "notifications/", "*", "",
	}
)

// TestA150DefaultDeny holds each method of each revision against a key that may
// call everything, one that may call one tool, and one that may call none.
func TestA150DefaultDeny(t *testing.T) {
	for version, methods := range requests {
		era := mcp.Legacy
		if version == mcp.Version20260728 {
			era = mcp.Modern
		}
		for _, method := range methods {
			t.Run(version+" "+method, func(t *testing.T) {
				for _, tools := range [][]string{{"*"}, {"get_*"}, nil} {
					g, c, _ := admitted(t, tools...)
					want := "pass"
					if method == "tools/call" && len(tools) == 0 {
						want = "403 -32602 1"
					}
					if got := verdict(g.Check(c, single(era, request(method, "get_a")), nil)); got != want {
						t.Errorf("key for %q: got %s, want %s", tools, got, want)
					}
				}
			})
		}
	}
	for _, method := range notifications {
		g, c, _ := admitted(t)
		for _, era := range []mcp.Era{mcp.Legacy, mcp.Modern} {
			if got := verdict(g.Check(c, single(era, mcp.Message{Kind: mcp.Notification, Method: method}), nil)); got != "pass" {
				t.Errorf("%s: got %s, want pass", method, got)
			}
		}
	}
}

func TestA150UnknownMethods(t *testing.T) {
	g, c, used := admitted(t, "*")
	for _, method := range strangers {
		note := mcp.Message{Kind: mcp.Notification, Method: method}
		for _, tt := range []struct {
			era  mcp.Era
			m    mcp.Message
			want string
		}{
			{mcp.Modern, request(method, "x"), "404 -32601 1"},
			{mcp.Modern, note, "404 -32601 "},
			{mcp.Legacy, request(method, "x"), "200 -32601 1"}, // 404 would say that the session is gone
			{mcp.Legacy, note, "400 -32601 "},
		} {
			if got := verdict(g.Check(c, single(tt.era, tt.m), nil)); got != tt.want {
				t.Errorf("%q, era %d, kind %d: got %s, want %s", method, tt.era, tt.m.Kind, got, tt.want)
			}
		}
	}
	if len(used.used) != 0 {
		t.Errorf("got uses %q of refused calls, want none", used.used)
	}
}

// TestA150KindsOfCall lets nothing pass that names a tool out of reach, however it is dressed.
func TestA150KindsOfCall(t *testing.T) {
	g, c, _ := admitted(t, "get_*", "exact")
	tests := []struct {
		tool string
		want string
	}{
		{"get_a", "pass"}, {"get_", "pass"}, {"exact", "pass"},
		{"drop_b", "403 -32602 1"}, {"Get_a", "403 -32602 1"}, {"GET_a", "403 -32602 1"}, {" get_a", "403 -32602 1"},
		{"get", "403 -32602 1"}, {"exact ", "403 -32602 1"}, {"exac", "403 -32602 1"}, {"exact\u200b", "403 -32602 1"},
		{"\uff47et_a", "403 -32602 1"}, {"*", "403 -32602 1"}, {"", "403 -32602 1"}, {strings.Repeat("x", 1<<16), "403 -32602 1"},
	}
	for _, tt := range tests {
		for _, era := range []mcp.Era{mcp.Legacy, mcp.Modern} {
			if got := verdict(g.Check(c, single(era, request("tools/call", tt.tool)), nil)); got != tt.want {
				t.Errorf("%.20q in era %d: got %s, want %s", tt.tool, era, got, tt.want)
			}
			note := mcp.Message{Kind: mcp.Notification, Method: "tools/call", Name: tt.tool} // the reader refuses it; the guard would too
			if got := verdict(g.Check(c, single(era, note), nil)); (got == "pass") != (tt.want == "pass") {
				t.Errorf("%.20q without an id in era %d: got %s, want as with one", tt.tool, era, got)
			}
		}
	}
}

func TestA143EachElementOfABatchIsChecked(t *testing.T) {
	with := func(id string, m mcp.Message) mcp.Message {
		m.ID = []byte(id)
		return m
	}
	good, bad, stranger := with("1", request("tools/call", "get_a")), with("2", request("tools/call", "drop_b")), with("3", request("x/custom", ""))
	note := mcp.Message{Kind: mcp.Notification, Method: "notifications/initialized"}
	answer := mcp.Message{Kind: mcp.Response, ID: []byte("9")}
	tests := []struct {
		name  string
		batch []mcp.Message
		want  string
	}{
		{"all allowed", []mcp.Message{good, note, answer}, "pass"},
		{"a denied one first", []mcp.Message{bad, good}, "403 -32602 2"},
		{"a denied one last", []mcp.Message{good, note, answer, bad}, "403 -32602 2"},
		{"a denied one amid fifty", append(append(slices.Repeat([]mcp.Message{good}, 25), bad), slices.Repeat([]mcp.Message{good}, 24)...), "403 -32602 2"},
		// 200 with one error would leave the callers of the other elements waiting.
		{"an unknown method", []mcp.Message{good, stranger}, "400 -32601 3"},
		{"an unknown notification", []mcp.Message{good, {Kind: mcp.Notification, Method: "notifications/x"}}, "400 -32601 "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g, c, used := admitted(t, "get_*")
			got := verdict(g.Check(c, &mcp.Call{Batch: true, Messages: tt.batch}, nil))
			if got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			if got != "pass" && len(used.used) != 0 {
				t.Errorf("got uses %q of a refused batch, want none", used.used)
			}
		})
	}
}

func TestCheckNotesWhatIsUsed(t *testing.T) {
	g, c, used := admitted(t, "*")
	call := &mcp.Call{Batch: true, Messages: []mcp.Message{
		{Kind: mcp.Request, ID: []byte("1"), Method: "tools/call", Name: "get_a", Client: "inspector"},
		{Kind: mcp.Request, ID: []byte("2"), Method: "resources/read", Name: "file:///a"},
		{Kind: mcp.Response, ID: []byte("3")},
	}}
	if err := g.Check(c, call, nil); err != nil {
		t.Fatal(err)
	}
	if want := []string{"inspector/get_a", "/"}; !slices.Equal(used.used, want) {
		t.Errorf("got %q, want %q: a URI is no tool, an answer no call", used.used, want)
	}
}

// TestA151HiddenAndUnknownToolsLookTheSame compares refusals byte by byte.
func TestA151HiddenAndUnknownToolsLookTheSame(t *testing.T) {
	g, c, _ := admitted(t, "get_*")
	var bodies []string
	for _, tool := range []string{"drop_b", "no_such_tool"} {
		e, ok := errors.AsType[*mcp.Error](g.Check(c, single(mcp.Modern, request("tools/call", tool)), nil))
		if !ok || e.Status != http.StatusForbidden {
			t.Fatalf("got %v, want 403", e)
		}
		bodies = append(bodies, string(e.JSON()))
	}
	if bodies[0] != bodies[1] || strings.Contains(bodies[0], "drop") {
		t.Errorf("got %s and %s, want the same, without the name", bodies[0], bodies[1])
	}
}
