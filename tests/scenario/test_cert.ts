/**
 * A self-signed certificate of localhost and 127.0.0.1 for tests, valid for a hundred years; its
 * key is public, here. Made with `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1`.
 */

export const TEST_CERT = `-----BEGIN CERTIFICATE-----
MIIBmzCCAUGgAwIBAgIURqzW3CxuZIfpafoOOBPsK4NcGeEwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMjEyMjkwMloYDzIxMjYxMDI5
MTIyOTAyWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAARu/+ktX/Wtj1UeW65EPRqHEsUqxn1GRRJPQ+FSPq2Xfkj3XKxfcJV+
TxQDPkgsEjR50Xg4yj0OLVa757P2QmOGo28wbTAdBgNVHQ4EFgQU8AwAZPHe4f53
FlwnJOfsciiCeFUwHwYDVR0jBBgwFoAU8AwAZPHe4f53FlwnJOfsciiCeFUwDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
zj0EAwIDSAAwRQIhAMrN4nxf3y6D/A9ZijNqJDO1K/DsKTOtzZFsPu9zLL8DAiB/
Pk5Q3eJ5i/FUyqys2+lEfTxU5SXDQpHhack/crDLcg==
-----END CERTIFICATE-----
`;

export const TEST_KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgladIPA/4FBYODrJW
jb1yYcnzPN9UWWbbWk9HzE9qQIyhRANCAARu/+ktX/Wtj1UeW65EPRqHEsUqxn1G
RRJPQ+FSPq2Xfkj3XKxfcJV+TxQDPkgsEjR50Xg4yj0OLVa757P2QmOG
-----END PRIVATE KEY-----
`;
