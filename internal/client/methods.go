package client

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"slices"

	"github.com/gatehouse-mcp/gatehouse/internal/jws"
	"github.com/gatehouse-mcp/gatehouse/internal/oauth"
)

// methods are the ways to prove who one is that strangers can register.
var methods = []string{
	oauth.AuthNone, oauth.AuthSecretBasic, oauth.AuthSecretPost, oauth.AuthPrivateKeyJWT, oauth.AuthTLS, oauth.AuthTLSSelfSigned,
}

func shared(method string) bool {
	return method == oauth.AuthSecretBasic || method == oauth.AuthSecretPost
}

// readMethods finds how the client may prove who it is. Vendors' documents have a
// list beside the one method, in which each counts. RFC 7591 §2
func (s source) readMethods(o *jws.Object, m *metadata) (dropped []string, err error) {
	one, err := text(o, "token_endpoint_auth_method")
	if err != nil {
		return nil, err
	}
	if one != "" {
		m.Methods = []string{one}
	}
	if s.document {
		list, err := texts(o, "token_endpoint_auth_methods_supported")
		if err != nil {
			return nil, err
		}
		if shared(one) { // everybody can read a document
			return nil, unfit("token_endpoint_auth_method is %s, and no secret can be shared by a document", one)
		}
		m.Methods = append(m.Methods, list...)
	}
	asked := len(m.Methods)
	m.Methods = slices.DeleteFunc(m.Methods, func(method string) bool {
		return !slices.Contains(methods, method) || s.document && shared(method)
	})
	if len(m.Methods) < asked {
		dropped = []string{"token_endpoint_auth_method: one is not offered"}
	}
	slices.Sort(m.Methods)
	m.Methods = slices.Compact(m.Methods)
	switch {
	case asked == 0:
		m.Methods = s.unsaid(m)
	case len(m.Methods) == 0:
		return nil, unfit("the token_endpoint_auth_method is not offered")
	}
	return dropped, m.fit()
}

// unsaid is how a client proves who it is that does not say. RFC 7591 §2 has it
// share a secret and send it in the header; many that say nothing cannot keep one,
// and some put it into the body.
func (s source) unsaid(m *metadata) []string {
	if s.document || m.Native {
		return []string{oauth.AuthNone}
	}
	return []string{oauth.AuthSecretBasic, oauth.AuthSecretPost}
}

// fit asks for what the methods are judged by.
func (m *metadata) fit() error {
	for _, method := range m.Methods {
		switch method {
		case oauth.AuthPrivateKeyJWT:
			if m.JWKS == nil && m.JWKSURI == "" {
				return unfit("private_key_jwt needs jwks or jwks_uri")
			}
		case oauth.AuthTLS:
			if m.Subject == "" {
				return unfit("tls_client_auth needs tls_client_auth_subject_dn: no other name of a certificate is looked at")
			}
		case oauth.AuthTLSSelfSigned: // RFC 8705 §2.2.2
			if len(certificates(m.JWKS)) == 0 {
				return unfit("self_signed_tls_client_auth needs jwks with a certificate (x5c)")
			}
		}
	}
	return nil
}

// certificates returns the thumbprints of the certificates in a JWK Set. RFC 7517 §4.7
func certificates(set []byte) (all [][32]byte) {
	var doc struct {
		Keys []struct {
			X5C []string `json:"x5c"`
		} `json:"keys"`
	}
	if set == nil || json.Unmarshal(set, &doc) != nil {
		return nil
	}
	for _, k := range doc.Keys {
		if len(k.X5C) == 0 {
			continue
		}
		der, err := base64.StdEncoding.DecodeString(k.X5C[0])
		if err != nil {
			continue
		}
		if _, err := x509.ParseCertificate(der); err == nil {
			all = append(all, sha256.Sum256(der))
		}
	}
	return all
}
