package doctor

import (
	"context"
	"errors"
	"io/fs"
)

// database looks into the store without opening it for writing.
var database = Check{"store", "whether the database opens, and the version of its schema", func(ctx context.Context, m *Machine, r *report) {
	d, err := m.Inspect(ctx)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		r.ok("%s is not there yet: the first start makes it", m.Database)
		return
	case err != nil:
		_, text := codeOf(err, "")
		r.fail("GH-2415", "a damaged database is replaced by a backup: gatehouse db restore FILE", "%s cannot be used: %s", m.Database, text)
		return
	case d.Schema > d.Known+1:
		r.fail("GH-2415", "install that version of gatehouse again, or restore a backup from before: gatehouse db restore FILE", "%s is of a newer gatehouse: schema %d, and this program knows %d", m.Database, d.Schema, d.Known)
		return
	case d.Schema > d.Known:
		r.warn("GH-2415", "upgrade this program too", "%s has schema %d, one more than this program knows", m.Database, d.Schema)
	case d.Schema < d.Known:
		r.warn("GH-2415", "back it up first (gatehouse db backup FILE); the next start of this version brings it up to date", "%s has schema %d, this program has %d", m.Database, d.Schema, d.Known)
	}
	r.ok("%s opens: schema %d, %d KiB, tenants: %d, keys: %d", m.Database, d.Schema, (d.Bytes+1023)/1024, d.Tenants, d.Keys)
}}
