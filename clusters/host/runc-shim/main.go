// Command runc-shim stands in for runc on a host whose bounding set lacks CAP_SYS_RESOURCE.
//
// Without that capability runc cannot grant it, cannot lower an OOM score and cannot raise a hard limit, so
// `docker run --privileged` and the control plane's static pods fail with "unable to apply caps" or "permission
// denied". The shim takes exactly these three demands out of the specification and then becomes runc:
// of `create` and `run` it edits config.json in the bundle, of `exec` the file behind --process.
//
// https://github.com/opencontainers/runtime-spec/blob/main/config.md#process
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

const missing = "CAP_SYS_RESOURCE"

// limits maps the names of the specification to the numbers of setrlimit(2) on Linux.
var limits = map[string]int{
	"RLIMIT_CPU": 0, "RLIMIT_FSIZE": 1, "RLIMIT_DATA": 2, "RLIMIT_STACK": 3, "RLIMIT_CORE": 4, "RLIMIT_RSS": 5,
	"RLIMIT_NPROC": 6, "RLIMIT_NOFILE": 7, "RLIMIT_MEMLOCK": 8, "RLIMIT_AS": 9, "RLIMIT_LOCKS": 10,
	"RLIMIT_SIGPENDING": 11, "RLIMIT_MSGQUEUE": 12, "RLIMIT_NICE": 13, "RLIMIT_RTPRIO": 14, "RLIMIT_RTTIME": 15,
}

func main() {
	if err := adapt(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "runc-shim:", err)
		os.Exit(1)
	}
	runc, err := realRunc()
	if err == nil {
		err = syscall.Exec(runc, append([]string{"runc"}, os.Args[1:]...), os.Environ())
	}
	fmt.Fprintln(os.Stderr, "runc-shim:", err)
	os.Exit(1)
}

// adapt edits the specification that this runc command is about to read.
func adapt(args []string) error {
	switch command, rest := split(args); command {
	case "create", "run", "restore":
		bundle, _ := option(rest, "--bundle", "-b")
		return edit(filepath.Join(bundle, "config.json"), func(spec map[string]any) {
			if process, ok := spec["process"].(map[string]any); ok {
				lower(process)
			}
		})
	case "exec":
		if file, found := option(rest, "--process", "-p"); found {
			return edit(file, lower)
		}
	}
	return nil
}

// split finds the command behind runc's global options. Those that take a value are listed in runc(8).
func split(args []string) (string, []string) {
	takesValue := map[string]bool{"log": true, "log-format": true, "root": true, "criu": true, "rootless": true}
	for i := 0; i < len(args); i++ {
		if !strings.HasPrefix(args[i], "-") {
			return args[i], args[i+1:]
		}
		if takesValue[strings.TrimLeft(args[i], "-")] {
			i++
		}
	}
	return "", nil
}

// option returns the value of `--long value`, `--long=value` or `-s value`.
func option(args []string, long, short string) (string, bool) {
	for i, arg := range args {
		name, value, joined := strings.Cut(arg, "=")
		if name != long && name != short && "-"+name != long {
			continue
		}
		if joined {
			return value, true
		}
		if i+1 < len(args) {
			return args[i+1], true
		}
	}
	return "", false
}

// lower takes out of a process specification what cannot be granted here.
func lower(process map[string]any) {
	if sets, ok := process["capabilities"].(map[string]any); ok {
		for name, set := range sets {
			if list, ok := set.([]any); ok {
				sets[name] = without(list, missing)
			}
		}
	}
	// A score above the inherited one is always allowed, one below 0 never.
	if score, ok := process["oomScoreAdj"].(json.Number); ok && strings.HasPrefix(score.String(), "-") {
		delete(process, "oomScoreAdj")
	}
	rlimits, _ := process["rlimits"].([]any)
	for _, entry := range rlimits {
		if limit, ok := entry.(map[string]any); ok {
			clamp(limit)
		}
	}
}

// clamp brings a limit down to our own hard limit.
func clamp(limit map[string]any) {
	name, _ := limit["type"].(string)
	number, known := limits[name]
	var own syscall.Rlimit
	if !known || syscall.Getrlimit(number, &own) != nil {
		return
	}
	for _, key := range []string{"hard", "soft"} {
		var wanted uint64
		if value, ok := limit[key].(json.Number); ok && json.Unmarshal([]byte(value), &wanted) == nil && wanted > own.Max {
			limit[key] = own.Max
		}
	}
}

func without(list []any, name string) []any {
	kept := make([]any, 0, len(list))
	for _, item := range list {
		if item != name {
			kept = append(kept, item)
		}
	}
	return kept
}

// edit rewrites a JSON file. A file that is missing or not JSON is left for runc to complain about.
func edit(path string, change func(map[string]any)) error {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber() // device numbers and limits are 64 bits wide
	var document map[string]any
	if decoder.Decode(&document) != nil {
		return nil
	}
	change(document)
	if text, err = json.Marshal(document); err != nil {
		return err
	}
	// In place, not by rename: `exec` may be handed a path under /proc/self/fd. The mode stays as it was.
	return os.WriteFile(path, text, 0o600)
}

// realRunc finds the runc that is not this program.
func realRunc() (string, error) {
	self, err := os.Stat("/proc/self/exe")
	if err != nil {
		return "", err
	}
	fallback := []string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"}
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), fallback...) {
		path := filepath.Join(dir, "runc")
		info, err := os.Stat(path)
		if err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 && !os.SameFile(self, info) {
			return path, nil
		}
	}
	return "", errors.New("no runc found in PATH")
}
