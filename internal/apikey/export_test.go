package apikey

// KeptForTest returns how many entries are in memory.
func (v *Verifier) KeptForTest() int { return v.known.len() + v.unknown.len() }
