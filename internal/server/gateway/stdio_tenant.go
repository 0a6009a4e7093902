package gateway

import (
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/internal/process"
)

// Place is where the children of one tenant run. What is empty is as for all.
type Place struct {
	Dir  string
	Env  map[string]string // beside that of all, which it takes precedence over
	User string
}

// What stands for the tenant in a working directory, an account, and the value
// of a variable.
const (
	tenantName = "{tenant}"
	tenantID   = "{tenant_id}"
)

// check refuses what would be taken literally although it is not meant so.
func (c *Stdio) check() error {
	if !c.PerTenant {
		if len(c.Tenants) > 0 {
			return errors.New("places of tenants need a child for each tenant")
		}
		for _, text := range [...]string{c.Process.Dir, c.Process.User} {
			if strings.Contains(text, tenantName) || strings.Contains(text, tenantID) {
				return fmt.Errorf("%q needs a child for each tenant", text)
			}
		}
		return nil
	}
	for _, arg := range c.Process.Command {
		if strings.Contains(arg, tenantName) || strings.Contains(arg, tenantID) {
			return errors.New("a command cannot depend on the tenant: hand it a variable")
		}
	}
	places := []Place{{Dir: c.Process.Dir, User: c.Process.User}}
	for _, p := range c.Tenants {
		places = append(places, p)
	}
	for _, p := range places {
		for _, text := range [...]string{p.Dir, p.User} {
			if rest := strings.NewReplacer(tenantName, "", tenantID, "").Replace(text); strings.ContainsAny(rest, "{}") {
				return fmt.Errorf("%q has another placeholder than %s and %s", text, tenantName, tenantID)
			}
		}
	}
	return nil
}

// spec says how a tenant's child is started. A tenant whose name or id could
// leave its place, as ".." would in a path, has none.
func (c *Stdio) spec(id, name string) (process.Spec, error) {
	s := c.Process
	if !c.PerTenant {
		return s, nil
	}
	if !plainName(id) || !plainName(name) {
		return process.Spec{}, fmt.Errorf("no child for tenant %q with id %q: the name cannot be part of a path", printable(name), printable(id))
	}
	p := c.Tenants[name]
	s.Dir, s.User = orDefault(p.Dir, s.Dir), orDefault(p.User, s.User)
	env := maps.Clone(s.Env)
	if env == nil {
		env = map[string]string{}
	}
	maps.Copy(env, p.Env)
	values := strings.NewReplacer(tenantName, name, tenantID, id)
	for variable, value := range env {
		env[variable] = values.Replace(value)
	}
	user := values.Replace(s.User)
	// Whoever names tenants must not come to choose among our machine's accounts:
	// one of the name "root" is as good as any.
	s.Unprivileged = user != s.User
	s.Dir, s.User, s.Env = values.Replace(s.Dir), user, env
	return s, nil
}

// plainName says whether a name is nothing but one, wherever it is put: letters,
// digits, '-' and '_', of which the last two do not begin it.
func plainName(name string) bool {
	for i, c := range []byte(name) {
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !letter && (i == 0 || c != '-' && c != '_') {
			return false
		}
	}
	return name != "" && len(name) <= 64
}
