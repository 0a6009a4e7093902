package login

import "time"

// CountHashes has a function called with each slow hash that is computed.
func (s *Service) CountHashes(fn func()) { s.hashes.made = fn }

// CodeAt is what an authenticator with a secret shows at a moment.
func CodeAt(secret []byte, at time.Time) string { return oneTime(secret).at(at.Unix() / totpStep) }

// Judge says why a password may not be one.
func (s *Service) Judge(password string, u *User) error { return s.judge(password, u) }

// Bucket names what attempts are counted by.
func Bucket(kind, what string) string { return bucket(kind, what) }
