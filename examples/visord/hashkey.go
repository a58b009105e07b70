package main

import (
	"fmt"
	"os"
	"path/filepath"

	"visor/sketch/hash64"
)

// hasher returns the hash function of the sketches. Its key is in the file of --hash-key, in
// systemd's state directory, or beside the history, whose periods only merge under one key.
// Otherwise it is random.
func (a *agent) hasher() (*hash64.Hasher, error) {
	read, path, dir := hash64.ReadKey, a.o.hashKey, os.Getenv("STATE_DIRECTORY")
	if dir == "" && a.history != nil {
		dir = a.o.historyDirectory()
	}
	if path == "" && dir != "" {
		read, path = hash64.KeepKey, filepath.Join(dir, "hash-key")
	}
	if path == "" {
		return hash64.Random(), nil
	}
	key, err := read(path)
	if err != nil {
		return nil, fmt.Errorf("hash key: %w", err)
	}
	return hash64.New(key), nil
}
