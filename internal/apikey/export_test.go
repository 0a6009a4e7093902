package apikey

// KeptForTest returns how many keys, and ids of none, are in memory.
func (v *Verifier) KeptForTest() (known, unknown int) { return v.known.Len(), v.unknown.Len() }
