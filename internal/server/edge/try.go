package edge

import "context"

// Try says why one could not listen on an address of TCP, as a start would. It
// listens there for a moment, and hears nobody.
func Try(ctx context.Context, address string) error {
	l, err := openOne(ctx, address)
	if err != nil {
		return err
	}
	return l.Close()
}
