package token

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
)

// Tenancy says how the tenant of a caller with a token is found. All that is said
// of it has to agree; an issuer that is bound to a tenant always says so.
type Tenancy struct {
	Claim   bool   // what the token says counts: Identity.Tenant, as Verifier found it
	Name    string // the one tenant that the server which is called is for; empty: the server tells none
	Require bool   // whoever belongs to none is refused; else they belong to the default tenant
}

// said is one place that tells a tenant.
type said struct {
	where  string
	tenant *tenant.Tenant // nil: there is none that it could mean
}

// resolve finds the one tenant of a token. Claim is what the token says.
//
// A claim's value is what one issuer calls a tenant: of another issuer the same
// value means something else. So it counts as linked to a tenant for that issuer,
// and as a tenant's own name only if the operator said that the issuer is to be
// trusted with those: else whoever can choose their organisation's name with one
// issuer could be in the tenant of another's.
//
// Neither answer nor the time it takes tells strangers which tenants exist: that
// nobody is meant, and that somebody else is, is the same if anything else tells
// a tenant.
func (t *Tenancy) resolve(d *tenant.Directory, i *Issuer, claim string) (*tenant.Tenant, *gatehouse.Error) {
	var room [3]said
	all := room[:0]
	if (t.Claim || i.TellsTenant) && claim != "" {
		found, err := claimed(d, i, claim)
		if err != nil {
			return nil, err
		}
		all = append(all, said{"the token's claim", found})
	}
	for _, n := range [...]struct{ where, name string }{{"its issuer", i.BindTenant}, {"the server", t.Name}} {
		if n.name != "" {
			found, _ := d.ByName(n.name)
			all = append(all, said{n.where, found})
		}
	}
	if len(all) == 0 {
		return t.none(d, i)
	}
	one := all[0].tenant
	for _, other := range all[1:] {
		if other.tenant != one && (one == nil || other.tenant == nil || other.tenant.ID != one.ID) {
			return nil, refuse("GH-1207",
				fmt.Errorf("%s says tenant %s, %s says %s (issuer %s, claim %.80q)", all[0].where, name(one), other.where, name(other.tenant), i.Name, claim))
		}
	}
	if one == nil {
		return nil, refuse("GH-1206",
			fmt.Errorf("%s names no tenant (issuer %s, claim %.80q); link it: gatehouse tenant link NAME --external-id %[2]s=VALUE", all[0].where, i.Name, claim))
	}
	return alive(one)
}

// none finds the tenant of a token of which nothing tells it.
func (t *Tenancy) none(d *tenant.Directory, i *Issuer) (*tenant.Tenant, *gatehouse.Error) {
	if t.Require {
		return nil, refuse("GH-1206",
			fmt.Errorf("nothing tells the tenant of a token of issuer %s, and tenants.require is on", i.Name))
	}
	one, ok := d.ByName(tenant.Default)
	if !ok {
		return nil, refuse("GH-1206", errors.New("there is no default tenant"))
	}
	return alive(one)
}

// claimed returns the tenant that an issuer means by a claim's value; nil: none.
func claimed(d *tenant.Directory, i *Issuer, claim string) (*tenant.Tenant, *gatehouse.Error) {
	var found *tenant.Tenant
	for _, iss := range i.Values {
		switch one, ok := d.ByLink(tenant.Link{Issuer: iss, External: claim}); {
		case !ok:
		case found != nil && found.ID != one.ID:
			return nil, refuse("GH-1207",
				fmt.Errorf("claim %.80q is linked to tenant %s by one iss of issuer %s, and to %s by another", claim, found.Name, i.Name, one.Name))
		default:
			found = one
		}
	}
	if found == nil && i.TenantNames {
		found, _ = d.ByName(claim)
	}
	return found, nil
}

// alive refuses a tenant that is suspended, once it is certain that it is the caller's.
func alive(t *tenant.Tenant) (*tenant.Tenant, *gatehouse.Error) {
	if t.State != tenant.Active {
		return nil, gatehouse.Refuse("GH-1013", "Token not accepted.", fmt.Errorf("tenant %s is %s", t.Name, t.State))
	}
	return t, nil
}

func name(t *tenant.Tenant) string {
	if t == nil {
		return "none that exists"
	}
	return t.Name
}

// refuse says that who somebody is does not let them in: another token would not
// be of another tenant, so they are not asked for one.
func refuse(code string, cause error) *gatehouse.Error {
	return &gatehouse.Error{Code: code, Status: http.StatusForbidden, Description: "The token is not of a tenant that may come here.", Cause: cause}
}
