package login

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	_ "embed"
	"encoding/base64"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"
)

// What a password costs to try: 19 MiB and two passes of argon2id, the second of
// OWASP's equivalent settings. RFC 9106 §3.1
const (
	argonMemory  = 19 << 10 // KiB
	argonTime    = 2
	argonThreads = 1
	argonSalt    = 16 // bytes
	argonKey     = 32 // bytes
)

// Bounds of a password. NIST SP 800-63B-4 §3.1.1.2: a length, no rules about what is in it.
const (
	MinPassword = 12  // characters
	MaxPassword = 512 // bytes; more is refused before anything is computed
)

// hashWait is how long somebody waits for a core before they are told to come
// back. So many may wait per core.
const (
	hashWait  = 5 * time.Second
	hashQueue = 32
)

// hasher makes and compares hashes, at most as many at once as there are cores:
// each takes 19 MiB and a core for tens of milliseconds.
type hasher struct {
	once  sync.Once
	cores chan struct{}
	queue chan struct{}

	wait   time.Duration                      // zero: hashWait
	derive func(password, salt []byte) []byte // nil: argon2id. Tests that compute hundreds have another
}

// enter waits for a core.
func (h *hasher) enter(ctx context.Context) (leave func(), err error) {
	h.once.Do(func() {
		n := runtime.GOMAXPROCS(0)
		h.cores, h.queue = make(chan struct{}, n), make(chan struct{}, n*hashQueue)
	})
	select {
	case h.queue <- struct{}{}:
		defer func() { <-h.queue }()
	default:
		return nil, ErrBusy
	}
	ctx, stop := context.WithTimeout(ctx, orElse(h.wait, hashWait))
	defer stop()
	select {
	case h.cores <- struct{}{}:
		return func() { <-h.cores }, nil
	case <-ctx.Done():
		return nil, ErrBusy
	}
}

// compute returns the key of a password.
func (h *hasher) compute(ctx context.Context, password string, salt []byte) ([]byte, error) {
	leave, err := h.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	text := []byte(norm.NFC.String(password)) // RFC 8265 §4.2.2
	if h.derive != nil {
		return h.derive(text, salt), nil
	}
	return argon2.IDKey(text, salt, argonTime, argonMemory, argonThreads, argonKey), nil
}

// hash returns what is stored of a password, in PHC's string format.
func (h *hasher) hash(ctx context.Context, password string) (string, error) {
	salt := make([]byte, argonSalt)
	rand.Read(salt) // never fails: the program ends instead
	key, err := h.compute(ctx, password, salt)
	if err != nil {
		return "", err
	}
	return argonHead() + b64(salt) + "$" + b64(key), nil
}

func argonHead() string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$", argon2.Version, argonMemory, argonTime, argonThreads)
}

func b64(b []byte) string { return base64.RawStdEncoding.EncodeToString(b) }

// matches says whether a password is the one that was stored. It computes the
// same whether or not there is one, so that nobody learns by the time it takes
// who has an account here. A password that is too long is cut: the answer is no.
func (h *hasher) matches(ctx context.Context, password, stored string) (bool, error) {
	salt, key, ok := readHash(stored)
	if !ok {
		salt, key = make([]byte, argonSalt), make([]byte, argonKey)
	}
	if len(password) > MaxPassword {
		password, ok = password[:MaxPassword], false
	}
	got, err := h.compute(ctx, password, salt)
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare(got, key) == 1 && ok, nil
}

// readHash takes apart what hash returned. Another cost is another format.
func readHash(stored string) (salt, key []byte, ok bool) {
	rest, ours := strings.CutPrefix(stored, argonHead())
	first, second, found := strings.Cut(rest, "$")
	salt, err1 := base64.RawStdEncoding.Strict().DecodeString(first)
	key, err2 := base64.RawStdEncoding.Strict().DecodeString(second)
	return salt, key, ours && found && err1 == nil && err2 == nil && len(salt) == argonSalt && len(key) == argonKey
}

//go:embed common.txt
var commonText string

// common are the words that passwords are made of which are tried first.
var common = sync.OnceValue(func() map[string]struct{} {
	all := map[string]struct{}{}
	for line := range strings.Lines(commonText) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			all[line] = struct{}{}
		}
	}
	return all
})

// maxWords is of how many common words a password is still one that is tried.
const maxWords = 4

// ordinary says whether a text, in lower case, is a few common words with
// digits and marks around and between them, however those are written.
func ordinary(text string) bool {
	letters := func(r rune) rune {
		if r < 'a' || r > 'z' {
			return -1
		}
		return r
	}
	written := strings.NewReplacer("0", "o", "1", "i", "3", "e", "4", "a", "5", "s", "7", "t", "8", "b", "@", "a", "$", "s", "!", "i").Replace(text)
	plain, swapped := strings.Map(letters, text), strings.Map(letters, written)
	core := strings.Map(letters, strings.NewReplacer("0", "o", "1", "i", "3", "e", "4", "a", "5", "s", "7", "t", "8", "b", "@", "a", "$", "s", "!", "i").
		Replace(strings.Trim(text, "0123456789!?.,;:-_*#+ @$&")))
	return len(text)-len(plain) < MinPassword-2 && (words(plain, maxWords) || words(swapped, maxWords) || words(core, maxWords))
}

// words says whether a text is at most n common words, one after another.
func words(text string, n int) bool {
	if text == "" || n == 0 {
		return text == ""
	}
	for i := 1; i <= min(len(text), 16); i++ {
		if _, ok := common()[text[:i]]; ok && words(text[i:], n-1) {
			return true
		}
	}
	return false
}

// judge says why a password may not be one, wrapped in ErrWeak or ErrInvalid; nil: it may.
func (s *Service) judge(password string, u *User) error {
	switch {
	case !utf8.ValidString(password):
		return fmt.Errorf("%w: the password is not UTF-8", ErrInvalid)
	case len(password) > MaxPassword:
		return fmt.Errorf("%w: the password has more than %d bytes", ErrInvalid, MaxPassword)
	case utf8.RuneCountInString(password) < MinPassword:
		return fmt.Errorf("%w: it has less than %d characters", ErrWeak, MinPassword)
	}
	plain := strings.ToLower(password)
	if ordinary(plain) || monotonous(plain) {
		return fmt.Errorf("%w: it is one of those that are tried first", ErrWeak)
	}
	local, _, _ := strings.Cut(u.Email, "@")
	for _, own := range []string{u.Username, u.Email, local, strings.ToLower(u.Name), strings.ToLower(s.name())} {
		if len(own) >= 3 && strings.Contains(plain, own) && len(strings.Trim(strings.ReplaceAll(plain, own, ""), "0123456789!?.-_ ")) < 4 {
			return fmt.Errorf("%w: it is little more than a name that everybody knows", ErrWeak)
		}
	}
	return nil
}

// monotonous says whether a text is a short one again and again, or a row of keys.
func monotonous(text string) bool {
	for n := 1; n <= 4 && n <= len(text)/2; n++ {
		if strings.HasPrefix(strings.Repeat(text[:n], len(text)/n+1), text) {
			return true
		}
	}
	for _, row := range []string{
		"abcdefghijklmnopqrstuvwxyz", "01234567890123456789", "qwertyuiopasdfghjklzxcvbnm", "azertyuiopqsdfghjklmwxcvbn", "qwertzuiopasdfghjklyxcvbnm",
		"1234567890qwertyuiop", "1q2w3e4r5t6y7u8i9o0p", "qazwsxedcrfvtgbyhnujmikolp",
	} {
		if strings.Contains(row, text) || strings.Contains(backwards(row), text) {
			return true
		}
	}
	return false
}

func backwards(text string) string {
	b := []byte(text)
	for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
		b[i], b[j] = b[j], b[i]
	}
	return string(b)
}
