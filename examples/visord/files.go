package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"sync"
)

// helperMark is the environment variable of the helper process with the paths of its files.
const helperMark = "VISORD_FILE_HELPER"

func isFileHelper() bool { return os.Getenv(helperMark) != "" }

// fileHelper is a process that keeps the privileges which this process drops. It reads a few files
// again when they change. Its list of files is fixed at its start. The zero fileHelper is not
// started. It is safe for concurrent use.
type fileHelper struct {
	mu    sync.Mutex
	cmd   *exec.Cmd
	paths []string
	in    io.WriteCloser
	out   *bufio.Reader
}

// answer is the helper's answer about one file.
type answer struct {
	Data  []byte
	Error string
}

// start starts the helper for the non-empty paths. It returns a function that reads them.
func (h *fileHelper) start(paths ...string) (read func(string) ([]byte, error), err error) {
	h.paths = slices.DeleteFunc(paths, func(p string) bool { return p == "" })
	if len(h.paths) == 0 {
		return nil, nil
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	list, err := json.Marshal(h.paths)
	if err != nil {
		return nil, err
	}
	h.cmd = exec.Command(self)
	h.cmd.Env = []string{helperMark + "=" + string(list)}
	in, inErr := h.cmd.StdinPipe()
	out, outErr := h.cmd.StdoutPipe()
	if err := errors.Join(inErr, outErr, h.cmd.Start()); err != nil {
		return nil, fmt.Errorf("--user: %w", err)
	}
	h.in, h.out = in, bufio.NewReader(out)
	return h.read, nil
}

// read requests a file from the helper.
func (h *fileHelper) read(path string) ([]byte, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, err := fmt.Fprintln(h.in, slices.Index(h.paths, path)); err != nil {
		return nil, fmt.Errorf("%s: the process that reads it has ended: %w", path, err)
	}
	line, err := h.out.ReadBytes('\n')
	var a answer
	if err := errors.Join(err, json.Unmarshal(line, &a)); err != nil {
		return nil, fmt.Errorf("%s: the process that reads it has ended: %w", path, err)
	}
	if a.Error != "" {
		return nil, errors.New(a.Error)
	}
	return a.Data, nil
}

// stop ends the helper.
func (h *fileHelper) stop() {
	if h.cmd == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	_ = h.in.Close() // ends the helper
	_ = h.cmd.Wait()
}

// maxFile is the maximum size of a file that the helper reads, in bytes.
const maxFile = 1 << 20

// serveFiles is the helper. It reads numbers from in and writes the files that they refer to, until
// in ends. It returns the exit code.
func serveFiles(in io.Reader, out io.Writer) int {
	var paths []string
	if err := json.Unmarshal([]byte(os.Getenv(helperMark)), &paths); err != nil {
		return exitFailed
	}
	enc := json.NewEncoder(out)
	for s := bufio.NewScanner(in); s.Scan(); {
		var n int
		if _, err := fmt.Sscan(s.Text(), &n); err != nil || n < 0 || n >= len(paths) {
			return exitFailed
		}
		if enc.Encode(readBounded(paths[n])) != nil {
			return exitFailed
		}
	}
	return exitDone
}

func readBounded(path string) (a answer) {
	f, err := os.Open(path)
	if err != nil {
		return answer{Error: err.Error()}
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		return answer{Error: err.Error()}
	case len(data) > maxFile:
		return answer{Error: path + ": larger than a token or a certificate"}
	}
	return answer{Data: data}
}
