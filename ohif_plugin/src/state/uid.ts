/** A new DICOM UID from a random UUID (PS3.5 B.2). */
export function newUid(uuid: string = crypto.randomUUID()): string {
  return `2.25.${BigInt(`0x${uuid.replaceAll("-", "")}`)}`;
}
