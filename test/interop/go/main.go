// Checks a log's folder with the libraries of Go's checksum database, which know nothing of tooltrail: golang.org/x/mod/sumdb/{note,tlog}.
//
//	go run . FOLDER
//
// FOLDER has `checkpoint`, `vkey`, `witness.vkey` and `tile/...` as they are served, and `proofs.json`. Exit 0 and a line of counts, or 1 and the reason.
package main

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const height = 8

type proofs struct {
	Inclusion []struct {
		Index int64
		Leaf  []byte
		Proof [][]byte
	}
	Consistency []struct {
		OldSize int64
		OldRoot []byte
		Size    int64
		Root    []byte
		Proof   [][]byte
	}
}

func main() {
	said, err := check(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(said)
}

func check(folder string) (string, error) {
	tree, err := openCheckpoint(folder)
	if err != nil {
		return "", fmt.Errorf("checkpoint: %w", err)
	}
	stored, err := hashEntries(folder, tree)
	if err != nil {
		return "", fmt.Errorf("entries: %w", err)
	}
	tiles, err := compareTiles(folder, tree, stored)
	if err != nil {
		return "", fmt.Errorf("tiles: %w", err)
	}
	var given proofs
	text, err := os.ReadFile(filepath.Join(folder, "proofs.json"))
	if err != nil {
		return "", err
	}
	if err := json.Unmarshal(text, &given); err != nil {
		return "", err
	}
	if err := checkInclusion(folder, tree, given); err != nil {
		return "", fmt.Errorf("inclusion: %w", err)
	}
	if err := checkConsistency(stored, given); err != nil {
		return "", fmt.Errorf("consistency: %w", err)
	}
	return fmt.Sprintf("%d leaves, %d tiles, %d inclusion proofs, %d consistency proofs",
		tree.N, tiles, len(given.Inclusion), len(given.Consistency)), nil
}

// openCheckpoint wants the signatures of both the log and the witness.
func openCheckpoint(folder string) (tlog.Tree, error) {
	vkey, err := os.ReadFile(filepath.Join(folder, "vkey"))
	if err != nil {
		return tlog.Tree{}, err
	}
	log, err := note.NewVerifier(strings.TrimSpace(string(vkey)))
	if err != nil {
		return tlog.Tree{}, err
	}
	witness, err := newCosigner(filepath.Join(folder, "witness.vkey"))
	if err != nil {
		return tlog.Tree{}, err
	}
	text, err := os.ReadFile(filepath.Join(folder, "checkpoint"))
	if err != nil {
		return tlog.Tree{}, err
	}
	opened, err := note.Open(text, note.VerifierList(log, witness))
	if err != nil {
		return tlog.Tree{}, err
	}
	if len(opened.Sigs) != 2 || len(opened.UnverifiedSigs) != 0 {
		return tlog.Tree{}, fmt.Errorf("%d signatures are verified and %d are not", len(opened.Sigs), len(opened.UnverifiedSigs))
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != log.Name() {
		return tlog.Tree{}, fmt.Errorf("the body is %q", opened.Text)
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return tlog.Tree{}, err
	}
	root, err := tlog.ParseHash(lines[2])
	return tlog.Tree{N: size, Hash: root}, err
}

// A cosigner is a verifier of timestamped checkpoint cosignatures, which the library leaves to others.
type cosigner struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

func newCosigner(file string) (note.Verifier, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	parts := strings.SplitN(strings.TrimSpace(string(text)), "+", 3)
	id, err := strconv.ParseUint(parts[1], 16, 32)
	if err != nil {
		return nil, err
	}
	key, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || len(key) != 33 || key[0] != 4 {
		return nil, fmt.Errorf("%s is no witness's key", file)
	}
	return cosigner{parts[0], uint32(id), key[1:]}, nil
}

func (c cosigner) Name() string    { return c.name }
func (c cosigner) KeyHash() uint32 { return c.hash }
func (c cosigner) Verify(body, signature []byte) bool {
	if len(signature) != 72 {
		return false
	}
	at := binary.BigEndian.Uint64(signature)
	message := fmt.Sprintf("cosignature/v1\ntime %d\n%s", at, body)
	return ed25519.Verify(c.key, []byte(message), signature[8:])
}

// hashEntries makes the whole tree from the entries alone.
func hashEntries(folder string, tree tlog.Tree) (tlog.HashReader, error) {
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		hashes := make([]tlog.Hash, len(indexes))
		for at, index := range indexes {
			hashes[at] = stored[index]
		}
		return hashes, nil
	})
	for n := int64(0); n < tree.N; {
		width := tree.N - n
		if width > 256 {
			width = 256
		}
		bundle, err := os.ReadFile(filepath.Join(folder, pathOf("entries", tlog.Tile{H: height, N: n / 256, W: int(width)})))
		if err != nil {
			return nil, err
		}
		for end := n + width; n < end; n++ {
			if len(bundle) < 2 || len(bundle) < 2+int(binary.BigEndian.Uint16(bundle)) {
				return nil, fmt.Errorf("the bundle ends before entry %d", n)
			}
			entry := bundle[2 : 2+int(binary.BigEndian.Uint16(bundle))]
			bundle = bundle[2+len(entry):]
			hashes, err := tlog.StoredHashes(n, entry, reader)
			if err != nil {
				return nil, err
			}
			stored = append(stored, hashes...)
		}
		if len(bundle) > 0 {
			return nil, fmt.Errorf("the bundle goes on after entry %d", n)
		}
	}
	root, err := tlog.TreeHash(tree.N, reader)
	if err == nil && root != tree.Hash {
		err = fmt.Errorf("they make the root %v, and signed is %v", root, tree.Hash)
	}
	return reader, err
}

// compareTiles holds every tile's path and bytes to what the library would write.
func compareTiles(folder string, tree tlog.Tree, stored tlog.HashReader) (int, error) {
	tiles := tlog.NewTiles(height, 0, tree.N)
	for _, tile := range tiles {
		wanted, err := tlog.ReadTileData(tile, stored)
		if err != nil {
			return 0, err
		}
		found, err := os.ReadFile(filepath.Join(folder, pathOf("", tile)))
		if err != nil {
			return 0, err
		}
		if !bytes.Equal(found, wanted) {
			return 0, fmt.Errorf("%s is another one", pathOf("", tile))
		}
	}
	return len(tiles), nil
}

// checkInclusion takes the proofs at their word, and makes the same ones from the tiles, which the library checks as it reads.
func checkInclusion(folder string, tree tlog.Tree, given proofs) error {
	fromTiles := tlog.TileHashReader(tree, tileFolder(folder))
	for _, each := range given.Inclusion {
		proof, err := recordProof(each.Proof)
		if err != nil {
			return err
		}
		if err := tlog.CheckRecord(proof, tree.N, tree.Hash, each.Index, tlog.RecordHash(each.Leaf)); err != nil {
			return fmt.Errorf("leaf %d: %w", each.Index, err)
		}
		own, err := tlog.ProveRecord(tree.N, each.Index, fromTiles)
		if err != nil {
			return err
		}
		if fmt.Sprint(own) != fmt.Sprint(proof) {
			return fmt.Errorf("leaf %d: the library's proof is another one", each.Index)
		}
	}
	return nil
}

func checkConsistency(stored tlog.HashReader, given proofs) error {
	for _, each := range given.Consistency {
		proof, err := recordProof(each.Proof)
		if err != nil {
			return err
		}
		oldRoot, err := hashOf(each.OldRoot)
		if err != nil {
			return err
		}
		root, err := hashOf(each.Root)
		if err != nil {
			return err
		}
		if err := tlog.CheckTree(tlog.TreeProof(proof), each.Size, root, each.OldSize, oldRoot); err != nil {
			return fmt.Errorf("%d to %d: %w", each.OldSize, each.Size, err)
		}
		own, err := tlog.ProveTree(each.Size, each.OldSize, stored)
		if err != nil {
			return err
		}
		if fmt.Sprint(own) != fmt.Sprint(tlog.TreeProof(proof)) {
			return fmt.Errorf("%d to %d: the library's proof is another one", each.OldSize, each.Size)
		}
	}
	return nil
}

func recordProof(hashes [][]byte) (tlog.RecordProof, error) {
	proof := make(tlog.RecordProof, len(hashes))
	for at, given := range hashes {
		hash, err := hashOf(given)
		if err != nil {
			return nil, err
		}
		proof[at] = hash
	}
	return proof, nil
}

func hashOf(given []byte) (hash tlog.Hash, err error) {
	if len(given) != len(hash) {
		return hash, fmt.Errorf("%d bytes are no hash", len(given))
	}
	copy(hash[:], given)
	return hash, nil
}

// pathOf is the library's own path without the height, which is always 8 here; or that of a bundle.
func pathOf(level string, tile tlog.Tile) string {
	path := strings.TrimPrefix(tile.Path(), fmt.Sprintf("tile/%d/", height))
	if level != "" {
		path = level + strings.TrimPrefix(path, "0")
	}
	return "tile/" + path
}

type tileFolder string

func (tileFolder) Height() int                         { return height }
func (tileFolder) SaveTiles(_ []tlog.Tile, _ [][]byte) {}
func (folder tileFolder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	read := make([][]byte, len(tiles))
	for at, tile := range tiles {
		bytes, err := os.ReadFile(filepath.Join(string(folder), pathOf("", tile)))
		if err != nil {
			return nil, err
		}
		read[at] = bytes
	}
	return read, nil
}
