// Package checks runs the checks of one client library and prints one JSON line for each: feature, result, detail.
package checks

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"time"
)

// Codecs are those of Kafka, by its names.
var Codecs = []string{"none", "gzip", "snappy", "lz4", "zstd"}

// ErrNotOffered is wrapped by what a client does not have; the message says what it lacks.
var ErrNotOffered = errors.New("not offered")

// Check is one feature of the client.
type Check struct {
	Feature string
	Run     func() error
}

// Unique returns a name that nobody else has.
func Unique(prefix string) string {
	random := make([]byte, 5)
	_, _ = rand.Read(random)
	return prefix + "-" + hex.EncodeToString(random)
}

// Eventually polls until the condition holds, and fails with what when it does not in time.
func Eventually(what string, timeout time.Duration, condition func() bool) error {
	for deadline := time.Now().Add(timeout); !condition(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			return fmt.Errorf("not within %s: %s", timeout, what)
		}
	}
	return nil
}

// Equal fails unless both are the same when printed.
func Equal(what string, found, wanted any) error {
	if a, b := fmt.Sprint(found), fmt.Sprint(wanted); a != b {
		return fmt.Errorf("%s is %s, not %s", what, a, b)
	}
	return nil
}

// First returns the first error, or nil.
func First(all ...error) error {
	for _, err := range all {
		if err != nil {
			return err
		}
	}
	return nil
}

// Version is that of a module this program was built with.
func Version(module string) string {
	info, _ := debug.ReadBuildInfo()
	for _, dependency := range info.Deps {
		if dependency.Path == module {
			return dependency.Version
		}
	}
	return "unknown"
}

// Run runs the checks in order. Names behind the program's bootstrap argument choose some.
func Run(client, version string, all []Check) {
	chosen := os.Args[2:]
	for _, check := range all {
		if len(chosen) > 0 && !slices.Contains(chosen, check.Feature) {
			continue
		}
		result, detail := "works", ""
		if err := protected(check.Run); errors.Is(err, ErrNotOffered) {
			result, detail = "not offered", err.Error()
		} else if err != nil {
			result, detail = "fails", err.Error()
		}
		line, _ := json.Marshal(map[string]string{
			"client": client, "version": version, "feature": check.Feature, "result": result, "detail": detail,
		})
		fmt.Println(string(line))
	}
}

func protected(run func() error) (err error) {
	defer func() {
		if panicked := recover(); panicked != nil {
			err = fmt.Errorf("panic: %v", panicked)
		}
	}()
	return run()
}
