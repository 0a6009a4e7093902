package main

// harmless are checks that can go without any difference, because another one
// stands behind them, and why they are there all the same. A test that notices
// one of them makes this list wrong, and the run red.
var harmless = map[string]string{
	"jwt_time.go readTimes: at > lastSecond":                 "MaxLife refuses it too; it keeps the arithmetic in range",
	`dpop.go judge: c.Method == ""`:                          "no htm is empty, so none fits; it says better what is missing",
	`dpop.go judge: c.URL == ""`:                             "no htu is empty, so none fits; it says better what is missing",
	"claimmap_rights.go texts: !ok #2":                       "an element that is no text is empty, and what is empty is refused",
	"internal/jws/object.go members: err != nil":             "the kind was looked at before",
	"internal/jws/object.go members: err != nil #2":          "the decoder fails again at the next step",
	"internal/jws/object.go Elements: err != nil":            "claims were read strictly before",
	"internal/jws/object.go Elements: bracket.Kind() != '['": "what is no list ends without the closing bracket",
	"internal/jws/object.go Elements: err != nil #2":         "claims were read strictly before",
	"internal/jws/proof.go ReadProof: err != nil #2":         "without a key, none fits the algorithm",
	"internal/jws/proof.go ownKey: o.Has(secret)":            "go-jose takes no private key from a header either",
	"internal/jws/proof.go ownKey: err != nil #2":            "what go-jose does not read was refused by the strict reader",
	"internal/jws/proof.go ownKey: k == nil":                 "without a jwk the strict reader has refused before",
	"internal/jws/proof.go ownKey: !k.Valid()":               "go-jose makes no key that is invalid, and Fits looks again",
	"internal/jws/proof.go ownKey: !k.IsPublic()":            "go-jose takes no private key from a header, and Fits looks again",
	"internal/jws/proof.go ownKey: err != nil #3":            "a valid key has a thumbprint",
	"internal/jws/proof.go readProof: !ok":                   "what is no number is 0, and far too old",
	"internal/jws/verify.go Verify: err != nil #2":           "what go-jose does not read was refused by the strict reader",
	"internal/jws/verify.go parse: err != nil":               "what go-jose does not read was refused by the strict reader",
}
