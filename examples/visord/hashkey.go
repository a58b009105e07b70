package main

import (
	"fmt"
	"os"
	"path/filepath"

	"visor/sketch/hash64"
)

// hasher returns the hash function of the sketches. Its key is in the file of --hash-key, or in
// systemd's state directory; otherwise it is random.
func (o *options) hasher() (*hash64.Hasher, error) {
	read, path := hash64.ReadKey, o.hashKey
	if dir := os.Getenv("STATE_DIRECTORY"); path == "" && dir != "" {
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
