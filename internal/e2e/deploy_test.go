package e2e

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// TestSystemdUnits has systemd judge the units: that it understands every line,
// and how much of the machine they lay open.
func TestSystemdUnits(t *testing.T) {
	t.Parallel()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		missing(t, "systemd-analyze")
	}
	dir := t.TempDir()
	var units []string
	for _, name := range []string{"gatehouse.service", "gatehouse.socket", "gatehouse-http.socket"} {
		text := strings.ReplaceAll(read(t, "deploy/systemd/"+name), "/usr/bin/gatehouse", "/bin/true") // which is there
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		units = append(units, path)
	}
	if out, err := exec.Command(analyze, append([]string{"verify", "--man=no"}, units...)...).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("got %v, want nothing to complain about\n%s", err, out)
	}
	const exposure = "15" // tenths, of a hundred
	if out, err := exec.Command(analyze, "security", "--offline=true", "--no-pager", "--threshold="+exposure, units[0]).CombinedOutput(); err != nil {
		t.Errorf("got an exposure above %s: %v\n%s", exposure, err, out)
	}
	service := read(t, "deploy/systemd/gatehouse.service")
	for _, line := range []string{
		"Type=notify", "WatchdogSec=30s", "DynamicUser=yes", "StateDirectory=gatehouse", "NoNewPrivileges=yes", "ProtectSystem=strict",
		"MemoryDenyWriteExecute=yes", "CapabilityBoundingSet=", "SystemCallFilter=@system-service", "LoadCredential=gatehouse.pepper",
	} {
		if !slices.Contains(strings.Split(service, "\n"), line) {
			t.Errorf("the service lacks %s", line)
		}
	}
}

// instructions are the lines of the Containerfile, continued ones joined.
func instructions(t *testing.T) (all [][2]string) {
	t.Helper()
	text := strings.ReplaceAll(read(t, "deploy/Containerfile"), "\\\n", " ")
	for _, line := range strings.Split(text, "\n") {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, rest, ok := strings.Cut(line, " ")
		if !ok || name != strings.ToUpper(name) {
			t.Fatalf("%q is no instruction", line)
		}
		all = append(all, [2]string{name, strings.TrimSpace(rest)})
	}
	return all
}

// The image is one static program that runs as nobody.
func TestContainerfile(t *testing.T) {
	last, from := map[string]string{}, []string{}
	for _, i := range instructions(t) {
		switch i[0] {
		case "FROM":
			from, last = append(from, i[1]), map[string]string{}
		case "RUN", "WORKDIR", "COPY", "USER", "VOLUME", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK", "ENTRYPOINT", "CMD":
			last[i[0]] = i[1]
		default:
			t.Errorf("got %s, which this test does not know", i[0])
		}
	}
	version := regexp.MustCompile(`(?m)^go (1\.\d+)`).FindStringSubmatch(read(t, "go.mod"))[1]
	if want := []string{"docker.io/library/golang:" + version + " AS build", "scratch"}; !slices.Equal(from, want) {
		t.Errorf("got stages from %q, want %q", from, want)
	}
	for name, want := range map[string]string{
		"USER": "65534:65534", "ENTRYPOINT": `["/usr/bin/gatehouse"]`, "COPY": "--from=build /out/ /", "RUN": "",
		"CMD": `["serve", "--config", "/etc/gatehouse/gatehouse.yaml"]`,
	} {
		if last[name] != want {
			t.Errorf("got %s %q in the image, want %q", name, last[name], want)
		}
	}
	if last["HEALTHCHECK"] == "" {
		t.Error("got no HEALTHCHECK")
	}
}

// TestContainerImage takes the steps of the Containerfile by hand, and runs
// what comes of them as the image would: alone, and as nobody.
func TestContainerImage(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		missing(t, "root, for chroot")
	}
	out := filepath.Join(t.TempDir(), "out")
	for _, i := range instructions(t) {
		if i[0] != "RUN" || !strings.Contains(i[1], "go build") {
			continue
		}
		step := exec.Command("sh", "-ec", strings.ReplaceAll(i[1], "/out", out))
		step.Dir = root(t)
		if text, err := step.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", i[1], err, text)
		}
	}
	program := filepath.Join(out, "usr/bin/gatehouse")
	f, err := elf.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if libraries, err := f.ImportedLibraries(); err != nil || len(libraries) > 0 {
		t.Errorf("got %v %v, want a static program", libraries, err)
	}
	for _, dir := range []string{filepath.Dir(filepath.Dir(out)), filepath.Dir(out), out} {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	run := exec.Command("/usr/bin/gatehouse", "version")
	run.Dir, run.Env = "/", []string{}
	run.SysProcAttr = &syscall.SysProcAttr{Chroot: out, Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	run.Path, run.Err = "/usr/bin/gatehouse", nil // in there
	if text, err := run.CombinedOutput(); err != nil || !strings.Contains(string(text), "gatehouse") {
		t.Errorf("got %v %q, want its version", err, text)
	}
}
