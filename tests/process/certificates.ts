/** Certificates for tests, made by openssl, and which one a server shows. */
import { connect } from "node:tls";

const EXTENSIONS = ["subjectAltName=IP:127.0.0.1", "basicConstraints=critical,CA:FALSE"]
  .flatMap((extension) => ["-addext", extension]);
const KEY = "ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes".split(" ");

/**
 * Writes a self-signed certificate to `DIR/cert.pem` and its key to `DIR/key.pem`, in the place of
 * those of before; returns what is wrong where it cannot, or null. One for `days` below 0 has expired.
 */
export function makeCertificate(dir: string, name = "roost.test", days = 2): string | null {
  const [cert, key, csr] = ["cert.pem", "key.pem", "csr.pem"].map((file) => `${dir}/${file}`);
  const subject = ["-subj", `/CN=${name}`, ...EXTENSIONS, "-newkey", ...KEY, "-keyout", key!];
  if (days > 0) {
    return openssl(["req", "-x509", "-days", String(days), "-out", cert!, ...subject]);
  }
  const self = ["-signkey", key!, "-days", String(days), "-out", cert!];
  return openssl(["req", "-new", "-out", csr!, ...subject]) ??
    openssl(["x509", "-req", "-in", csr!, ...self]);
}

function openssl(args: readonly string[]): string | null {
  try {
    const { success, stderr } = new Deno.Command("openssl", { args: [...args], stdin: "null" })
      .outputSync();
    return success ? null : new TextDecoder().decode(stderr).trim();
  } catch (error) {
    return String(error);
  }
}

/** The name in the certificate that a new connection to a server is shown; "" where it fails. */
export function shownName(port: number): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port, rejectUnauthorized: false }, () => {
      resolve(String(socket.getPeerCertificate().subject?.CN));
      socket.destroy();
    });
    socket.on("error", () => resolve(""));
  });
}
