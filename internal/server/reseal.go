package server

import (
	"context"

	"github.com/gatehouse-mcp/gatehouse/internal/client"
	"github.com/gatehouse-mcp/gatehouse/internal/federation"
	"github.com/gatehouse-mcp/gatehouse/internal/grant"
	"github.com/gatehouse-mcp/gatehouse/internal/seal"
)

// reseal has the secrets of our authorization server sealed under a new key, before
// anybody is told that the old one is not needed any more. What was never made is
// not made by it.
func (i *Installation) reseal(ctx context.Context, key *seal.Key) error {
	secrets := i.DB.Secrets()
	for name, open := range map[string]func() ([]byte, error){
		client.SecretName: func() ([]byte, error) { return client.Secret(ctx, secrets, key) },
		grant.SecretName:  func() ([]byte, error) { return grant.Secret(ctx, secrets, key) },
	} {
		sealed, err := secrets.Sealed(ctx, name, "", "")
		if err == nil && sealed != "" {
			_, err = open()
		}
		if err != nil {
			return err
		}
	}
	return (&federation.Vault{Store: i.DB.Federation(), Seal: key}).Reseal(ctx)
}
