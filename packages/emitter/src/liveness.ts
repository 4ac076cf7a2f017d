import { once } from "node:events";
import { closeSync, constants, openSync } from "node:fs";
import { connect, createServer, type Server } from "node:net";
import { join } from "node:path";

/**
 * A process's folder is alive while its Unix socket accepts: the kernel closes the socket with the process, however it ends, so unlike a
 * pid file it cannot point to somebody else.
 */

const socketName = "alive";
/** `sun_path` has room for 107 bytes and its zero on Linux, 103 on macOS. */
const maxSocketPath = 103;

/**
 * Listens in the folder from now on; connections are closed at once, and neither they nor the server keep the process alive.
 *
 * Exclusive: a cluster's worker would else let its primary listen, which outlives it.
 *
 * @throws Error where no socket can be made there.
 */
export function holdAlive(dir: string): Server {
  const server = createServer((socket) => socket.destroy()).unref();
  server.on("error", () => undefined); // comes a tick late, and says no more than what is thrown here
  server.listen({ path: shortPath(dir).path, exclusive: true }); // a descriptor stays open with it: libuv unlinks this path when the server closes
  if (!server.listening) throw new Error(`No socket can be made in ${dir}.`);
  return server;
}

/** @returns false only when the kernel says that nobody listens there. In doubt a folder is alive: it is never taken from the living. */
export async function isAlive(dir: string): Promise<boolean> {
  const { path, close } = shortPath(dir);
  const socket = connect(path);
  try {
    await once(socket, "connect");
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code !== "ECONNREFUSED" && code !== "ENOENT";
  } finally {
    socket.destroy();
    close();
  }
}

/** The socket's path, or where that is too long for a socket, one through a descriptor of the folder (Linux). */
function shortPath(dir: string): { path: string; close: () => void } {
  const path = join(dir, socketName);
  if (Buffer.byteLength(path) <= maxSocketPath) return { path, close: () => undefined };
  if (process.platform !== "linux")
    throw new Error(`${dir} is too long a path for a socket. Choose a shorter TOOLTRAIL_SPOOL.`);
  const fd = openSync(dir, constants.O_RDONLY | constants.O_DIRECTORY);
  return { path: `/proc/self/fd/${fd}/${socketName}`, close: () => closeSync(fd) };
}
