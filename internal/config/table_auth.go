package config

import "slices"

var authSettings = slices.Concat([]setting{
	{key: "api_keys", field: "APIKeys", doc: "Keys are accepted. `{}` takes the defaults.", within: slices.Concat([]setting{
		{key: "enabled", def: "true", doc: "`false`: as if `api_keys` were not there.", one: []string{"true", "false"}, hook: (*reader).enabled},
		{key: "allow_tenantless", def: "false", doc: "Every key has a tenant, so only `false` is understood.", one: []string{"true", "false"}, hook: (*reader).tenantless},
		{key: "pepper", field: "Pepper", form: formSecret, check: checkLong, doc: "Keys are hashed under it: 32 characters or more. Without it, or with another, no key is known."},
		{key: "default_ttl", field: "DefaultTTL", def: "90d", least: "1m", doc: "Life of a new key, unless it is made with another."},
		{key: "rotation_overlap", field: "RotationOverlap", def: "1d", least: "1s", doc: "How long the old key works on after a rotation, unless that says otherwise."},
		{key: "max_per_tenant", field: "MaxPerTenant", def: "0", doc: "Keys of one tenant that are honoured at once. 0: no limit."},
	}, later("last_used"))},
}, later("issuers", "embedded", "local"))
