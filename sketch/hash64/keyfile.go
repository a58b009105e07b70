package hash64

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// ReadKey returns the key in a file: 32 hexadecimal digits.
func ReadKey(path string) (Key, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Key{}, err
	}
	b, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(b) != len(Key{}) {
		// not quoted in errors
		return Key{}, fmt.Errorf("hash64: %s does not hold a key of 32 hexadecimal digits", path)
	}
	return Key(b), nil
}

// KeepKey returns the key in a file. If the file does not exist, it creates one with a random key
// that only its owner can read. If several programs do so at once, all get the same key.
func KeepKey(path string) (Key, error) {
	key, err := ReadKey(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	_, _ = rand.Read(key[:]) // never fails
	f, err := os.CreateTemp(filepath.Dir(path), ".hash-key-*")
	if err != nil {
		return Key{}, err
	}
	defer os.Remove(f.Name())
	_, err = fmt.Fprintln(f, hex.EncodeToString(key[:]))
	if err := errors.Join(err, f.Chmod(0o600), f.Sync(), f.Close()); err != nil {
		return Key{}, err
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return Key{}, err
	}
	return ReadKey(path) // perhaps another program's key
}
