// Opens a page, waits until it has loaded everything, and reads its title.
export default async function look({ page, url, screenshot }) {
  await page.goto(url, { waitUntil: "load" });
  await screenshot();
  return { title: await page.title() };
}
