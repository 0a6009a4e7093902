package probe

// ClientResult says whether a real client can log in.
type ClientResult struct {
	Client string // its name
	Verdict
}

// clientRule is what results about clients are reported under. It is not asked by itself.
var clientRule = &Rule{
	Code: "GH-2190", Name: "clients", Title: "The clients that people have can log in", Severity: Medium,
	Why: "Each client looks for other things when it signs in: where the metadata is, how it gets an id, what the authorization server advertises.",
	Fix: "As the client's line says.",
}

func (r *run) clients() []ClientResult { return nil }
