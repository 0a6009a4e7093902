package gateway_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestA115AnswersNobodyReads has a client ask for more than the kernel takes,
// read none of it, and lose its key: nothing may wait for it any longer.
func TestA115AnswersNobodyReads(t *testing.T) {
	long := `{"jsonrpc":"2.0","id":1,"result":{"x":"` + strings.Repeat("x", 15<<20) + `"}}`
	for name, body := range map[string]string{"newer": newer("prompts/list", ""), "older": `{"jsonrpc":"2.0","id":1,"method":"prompts/list"}`} {
		t.Run(name, func(t *testing.T) {
			s := besiege(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				_, _ = io.WriteString(w, long)
			}))
			id, key := s.mint("*")
			c, err := net.Dial("tcp", s.address)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			head := ""
			if name == "newer" {
				for i, h := 0, mirrored("prompts/list", ""); i < len(h); i += 2 {
					head += h[i] + ": " + h[i+1] + "\r\n"
				}
			}
			_, err = fmt.Fprintf(c, "POST /mcp HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\n%sContent-Length: %d\r\n\r\n%s",
				s.address, key, head, len(body), body)
			if err != nil {
				t.Fatal(err)
			}
			if line, err := bufio.NewReaderSize(c, 16).ReadString('\n'); err != nil || !strings.Contains(line, "200") {
				t.Fatalf("got %q, %v", line, err)
			}
			time.Sleep(300 * time.Millisecond) // until nothing more fits anywhere
			if _, err := s.keys.Revoke(t.Context(), "", id, "me", ""); err != nil {
				t.Fatal(err)
			}
			for end := time.Now().Add(time.Second); !strings.Contains(s.log.String(), id); time.Sleep(10 * time.Millisecond) {
				if time.Now().After(end) {
					t.Fatal("the request goes on, want it over within a second")
				}
			}
		})
	}
}
