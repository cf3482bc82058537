export async function adminToken(): Promise<undefined> {}
