package policy

import (
	"errors"
	"fmt"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"github.com/gatehouse-mcp/gatehouse"
)

// view is what conditions see of one decision. It reads JSON when it is asked
// for, and once.
type view struct {
	rules        *Rules
	who          Asker
	op           Operation
	args, claims ref.Val // an object or an error; nil: not read yet
}

// Parent implements cel.Activation.
func (v *view) Parent() cel.Activation { return nil }

// ResolveName implements cel.Activation.
func (v *view) ResolveName(name string) (any, bool) {
	switch name {
	case "args":
		if v.args == nil {
			v.args = v.members(v.op.Args, "arguments")
		}
		return v.args, true
	case "claims":
		if v.claims == nil {
			if v.who.Identity == nil || v.who.Identity.Claims == nil {
				v.claims = types.NewErr("the credential has no claims")
			} else {
				v.claims = v.members(v.who.Identity.Claims, "claims")
			}
		}
		return v.claims, true
	case "tool":
		return types.String(v.op.Name), v.op.Kind == Tool
	case "name":
		return types.String(v.op.Name), true
	case "caller", "request", "tenant":
		return v, true
	}
	return nil, false
}

// members reads an object for conditions. Nothing at all is one without members.
func (v *view) members(raw []byte, what string) ref.Val {
	if len(raw) == 0 {
		return &object{adapter: v.rules.adapter}
	}
	o, err := readObject(raw, v.rules.adapter)
	if err != nil {
		return types.NewErr("the %s cannot be read: %v", what, err)
	}
	return o
}

// viewed makes a field of what a view tells.
func viewed(t *cel.Type, of func(v *view) (any, error)) field {
	return field{typ: t, of: func(obj any) (any, error) {
		v, ok := obj.(*view)
		if !ok {
			return nil, errors.New("there is no such thing here")
		}
		return of(v)
	}}
}

// orNil is a text that is empty when it is not told.
func orNil(text string) any {
	if text == "" {
		return nil
	}
	return types.String(text)
}

func texts(all []string) any {
	if all == nil {
		return nil
	}
	return all
}

// ofCaller makes a field of what an identity tells.
func ofCaller(t *cel.Type, of func(v *view, i *gatehouse.Identity) (any, error)) field {
	return viewed(t, func(v *view) (any, error) {
		if v.who.Identity == nil {
			return nil, nil
		}
		return of(v, v.who.Identity)
	})
}

var (
	list = cel.ListType(cel.StringType)

	// callerFields leaves Identity.Name out: it is for people.
	callerFields = map[string]field{
		"subject": ofCaller(cel.StringType, func(_ *view, i *gatehouse.Identity) (any, error) { return orNil(i.Subject), nil }),
		"issuer":  ofCaller(cel.StringType, func(_ *view, i *gatehouse.Identity) (any, error) { return orNil(i.Issuer), nil }),
		"kind":    ofCaller(cel.StringType, func(_ *view, i *gatehouse.Identity) (any, error) { return orNil(string(i.Kind)), nil }),
		"client":  ofCaller(cel.StringType, func(_ *view, i *gatehouse.Identity) (any, error) { return orNil(i.Client), nil }),
		"email":   ofCaller(cel.StringType, func(_ *view, i *gatehouse.Identity) (any, error) { return orNil(i.Email), nil }),
		"key":     viewed(cel.StringType, func(v *view) (any, error) { return orNil(v.who.Key), nil }),
		"scopes": ofCaller(list, func(v *view, i *gatehouse.Identity) (any, error) {
			if i.Scopes == nil {
				return nil, nil
			}
			return v.rules.scopes.spelled(i.Scopes), nil
		}),
		"permissions": ofCaller(list, func(_ *view, i *gatehouse.Identity) (any, error) { return texts(i.Permissions), nil }),
		"roles":       ofCaller(list, func(_ *view, i *gatehouse.Identity) (any, error) { return texts(i.Roles), nil }),
		"groups": ofCaller(list, func(_ *view, i *gatehouse.Identity) (any, error) {
			if i.GroupsOmitted {
				return nil, errors.New("caller.groups: the caller is in groups that the token leaves out")
			}
			return texts(i.Groups), nil
		}),
		"actors": ofCaller(list, func(_ *view, i *gatehouse.Identity) (any, error) { return append([]string{}, i.Actor...), nil }),
	}

	requestFields = map[string]field{
		"server": viewed(cel.StringType, func(v *view) (any, error) { return orNil(v.rules.server), nil }),
		"method": viewed(cel.StringType, func(v *view) (any, error) { return orNil(v.op.Method), nil }),
	}
)

// tenantFields are the attributes that tenants have.
func tenantFields(tenants map[string]map[string]string) map[string]field {
	fields := map[string]field{}
	for _, attributes := range tenants {
		for name := range attributes {
			fields[name] = viewed(cel.StringType, func(v *view) (any, error) {
				value, ok := v.rules.tenants[v.who.Tenant][name]
				if !ok {
					return nil, fmt.Errorf("tenant %q has no %s", v.who.Tenant, name)
				}
				return types.String(value), nil
			})
		}
	}
	fields["name"] = viewed(cel.StringType, func(v *view) (any, error) { return orNil(v.who.Tenant), nil })
	return fields
}
