package signing

import "context"

// Tend is one round of Run.
func (k *Keys) Tend(ctx context.Context) { k.tend(ctx) }
