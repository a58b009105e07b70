package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"visor/sketch/hash64"
)

// hasher returns the hash function of the sketches. Its key is in the file of --hash-key, in
// systemd's state directory, or beside the history, whose periods only merge under one key.
// Otherwise it is random.
func (a *agent) hasher() (*hash64.Hasher, error) {
	if a.o.hashKey != "" {
		return keyed(hash64.ReadKey(a.o.hashKey))
	}
	dir := os.Getenv("STATE_DIRECTORY")
	if dir == "" && a.history != nil {
		dir = a.o.historyDirectory()
	}
	if dir == "" {
		return hash64.Random(), nil
	}
	path := filepath.Join(dir, "hash-key")
	h, err := keyed(hash64.KeepKey(path))
	if _, missing := os.Stat(path); err != nil && errors.Is(missing, fs.ErrNotExist) {
		// a full disk stops the history, not the agent
		a.log.Error("the hash key cannot be kept: distinct counts will not merge across a restart", "error", err)
		return hash64.Random(), nil
	}
	return h, err
}

func keyed(key hash64.Key, err error) (*hash64.Hasher, error) {
	if err != nil {
		return nil, fmt.Errorf("hash key: %w", err)
	}
	return hash64.New(key), nil
}
