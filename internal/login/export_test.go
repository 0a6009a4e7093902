package login

import "time"

// Derive has another function than argon2id, which is slow, make hashes; nil: argon2id.
func (s *Service) Derive(fn func(password, salt []byte) []byte) { s.hashes.derive = fn }

// Patient has people wait for a core as long as a test takes.
func (s *Service) Patient() { s.hashes.wait = time.Hour }

// CodeAt is what an authenticator with a secret shows at a moment.
func CodeAt(secret []byte, at time.Time) string { return oneTime(secret).at(at.Unix() / totpStep) }

// Judge says why a password may not be one.
func (s *Service) Judge(password string, u *User) error { return s.judge(password, u) }

// Bucket names what attempts are counted by.
func Bucket(kind, what string) string { return bucket(kind, what) }
