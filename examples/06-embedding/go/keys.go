// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/pem"
)

// keyPair makes what goes into the slot of the Secret: no key is ever in an answer.
func keyPair() (private, public string, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	if err != nil {
		return "", "", err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return "", "", err
	}
	point, err := key.PublicKey.ECDH()
	if err != nil {
		return "", "", err
	}
	const kind = "ecdsa-sha2-nistp521"
	wire := []byte{}
	for _, part := range [][]byte{[]byte(kind), []byte("nistp521"), point.Bytes()} {
		wire = binary.BigEndian.AppendUint32(wire, uint32(len(part)))
		wire = append(wire, part...)
	}
	line := kind + " " + base64.StdEncoding.EncodeToString(wire) + "\n"
	block := pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})
	encode := base64.StdEncoding.EncodeToString
	return encode(block), encode([]byte(line)), nil
}
