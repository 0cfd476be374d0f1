"""Right answers to exercises 7, 8 and 9, written differently."""

from autograder.variants import Right

VARIANTS = [
    Right(
        exercise="ex7-box-iou",
        name="columns-by-unbind",
        code='''
def box_iou(a, b):
    """Four numbers a box, broadcast."""
    for t in (a, b):
        if t.dim() != 2 or t.size(-1) != 4:
            raise ValueError("shape")
        x1, y1, x2, y2 = t.unbind(1)
        if bool((x2 < x1).any()) or bool((y2 < y1).any()):
            raise ValueError("inverted")
    ax1, ay1, ax2, ay2 = (v.unsqueeze(1) for v in a.unbind(1))
    bx1, by1, bx2, by2 = b.unbind(1)
    w = torch.relu(torch.min(ax2, bx2) - torch.max(ax1, bx1))
    h = torch.relu(torch.min(ay2, by2) - torch.max(ay1, by1))
    both = w * h
    either = (ax2 - ax1) * (ay2 - ay1) + (bx2 - bx1) * (by2 - by1) - both
    return torch.nan_to_num(both / either, nan=0.0)
''',
    ),
    Right(
        exercise="ex7-box-iou",
        name="two-loops",
        code='''
def box_iou(a, b):
    """Pair by pair."""
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != 4 or b.shape[1] != 4:
        raise ValueError("boxes are [N, 4]")
    for box in [*a.tolist(), *b.tolist()]:
        if box[2] < box[0] or box[3] < box[1]:
            raise ValueError(box)
    table = torch.zeros(len(a), len(b), dtype=a.dtype, device=a.device)
    for i, p in enumerate(a.tolist()):
        for j, q in enumerate(b.tolist()):
            w, h = min(p[2], q[2]) - max(p[0], q[0]), min(p[3], q[3]) - max(p[1], q[1])
            if w > 0 and h > 0:
                areas = (p[2] - p[0]) * (p[3] - p[1]) + (q[2] - q[0]) * (q[3] - q[1])
                table[i, j] = w * h / (areas - w * h)
    return table
''',
    ),
    Right(
        exercise="ex7-nms",
        name="list-of-kept",
        code='''
def nms(boxes, scores, iou_threshold, classes=None):
    """A list that grows; Python's sort is stable."""
    if boxes.ndim != 2 or boxes.shape[1] != 4 or tuple(scores.shape) != (len(boxes),):
        raise ValueError("shapes")
    if classes is not None and tuple(classes.shape) != (len(boxes),):
        raise ValueError("classes")
    if iou_threshold < 0 or iou_threshold > 1:
        raise ValueError("threshold")
    table = box_iou(boxes, boxes)
    values = scores.tolist()
    kept = []
    for i in sorted(range(len(values)), key=lambda i: -values[i]):
        mine = [j for j in kept if classes is None or classes[i] == classes[j]]
        if not mine or not (table[i, mine] > iou_threshold).any():
            kept.append(i)
    return torch.as_tensor(kept, dtype=torch.long, device=boxes.device)
''',
    ),
    Right(
        exercise="ex7-nms",
        name="classes-by-masks-and-a-shrinking-list",
        code='''
def nms(boxes, scores, iou_threshold, classes=None):
    """Take the best, throw its rivals out of the list, again."""
    if scores.dim() != 1 or len(scores) != len(boxes) or not 0 <= iou_threshold <= 1:
        raise ValueError("input")
    if classes is None:
        classes = torch.zeros(len(boxes), dtype=torch.int64, device=boxes.device)
    if classes.shape != scores.shape:
        raise ValueError("classes")
    box_iou(boxes, boxes[:0])  # refuses bad boxes
    left = torch.sort(scores, descending=True, stable=True).indices
    kept = []
    while left.numel():
        best, left = left[0], left[1:]
        kept.append(int(best))
        overlap = box_iou(boxes[best][None], boxes[left])[0]
        left = left[~((overlap > iou_threshold) & (classes[left] == classes[best]))]
    return torch.tensor(kept, device=boxes.device).long()
''',
    ),
    Right(
        exercise="ex8-encode-boxes",
        name="difference-of-logarithms",
        code='''
def encode_boxes(proposals, gt):
    """Column by column, ln g - ln p."""
    def parts(t):
        x1, y1, x2, y2 = t.unbind(dim=-1)
        w, h = x2 - x1, y2 - y1
        if not (bool((w > 0).all()) and bool((h > 0).all())):
            raise ValueError("degenerate box")
        return x1 + 0.5 * w, y1 + 0.5 * h, w, h

    px, py, pw, ph = parts(proposals)
    gx, gy, gw, gh = parts(gt)
    return torch.stack([(gx - px) / pw, (gy - py) / ph, gw.log() - pw.log(), gh.log() - ph.log()], dim=-1)
''',
    ),
    Right(
        exercise="ex8-encode-boxes",
        name="twice-the-centres",
        code='''
def encode_boxes(proposals, gt):
    """Sums of corners instead of centres."""
    size = proposals[:, 2:4].sub(proposals[:, 0:2])
    wanted = gt[:, 2:4].sub(gt[:, 0:2])
    if torch.cat([size, wanted]).le(0).any():
        raise ValueError("no size")
    shift = (gt[:, :2] + gt[:, 2:] - proposals[:, :2] - proposals[:, 2:]) / (2 * size)
    return torch.hstack([shift, (wanted / size).log()])
''',
    ),
    Right(
        exercise="ex8-decode-boxes",
        name="column-by-column",
        code='''
def decode_boxes(deltas, proposals, max_log=4.135):
    """Four columns."""
    w = proposals[:, 2] - proposals[:, 0]
    h = proposals[:, 3] - proposals[:, 1]
    x = proposals[:, 0] + 0.5 * w + deltas[:, 0] * w
    y = proposals[:, 1] + 0.5 * h + deltas[:, 1] * h
    w = w * torch.clamp(deltas[:, 2], max=max_log).exp() / 2
    h = h * torch.clamp(deltas[:, 3], max=max_log).exp() / 2
    return torch.stack((x - w, y - h, x + w, y + h), dim=1)
''',
    ),
    Right(
        exercise="ex8-decode-boxes",
        name="minimum-and-signs",
        code='''
def decode_boxes(deltas, proposals, max_log=4.135):
    """Corners are centre -/+ half a size."""
    low, high = proposals.split(2, dim=1)
    size, middle = high - low, (low + high) / 2
    shift, log = deltas.split(2, dim=1)
    limit = torch.full_like(log, max_log)
    half = 0.5 * size * torch.exp(torch.minimum(log, limit))
    middle = middle + shift * size
    return torch.cat((middle - half, middle + half), 1)
''',
    ),
    Right(
        exercise="ex8-yolo-encode",
        name="backwards-so-that-the-first-wins",
        code='''
def yolo_encode(boxes, labels, S, C, image_size):
    """Written from the last box to the first, each over the one before."""
    boxes = torch.as_tensor(boxes)
    if not torch.is_floating_point(boxes):
        boxes = boxes.to(torch.get_default_dtype())
    labels = torch.as_tensor(labels).long()
    grid = torch.zeros(S, S, 5 + C, dtype=boxes.dtype, device=boxes.device)
    for k in reversed(range(len(labels))):
        x1, y1, x2, y2 = boxes[k]
        cx, cy = (x1 + x2) / (2 * image_size) * S, (y1 + y2) / (2 * image_size) * S
        row, col = int(cy.floor().clamp(max=S - 1)), int(cx.floor().clamp(max=S - 1))
        cell = grid.new_zeros(5 + C)
        w, h = (x2 - x1) / image_size, (y2 - y1) / image_size
        cell[:5] = torch.stack([torch.ones_like(cx), cx - col, cy - row, w, h])
        cell[5 + labels[k]] = 1
        grid[row, col] = cell
    return grid
''',
    ),
    Right(
        exercise="ex8-yolo-encode",
        name="plain-numbers",
        code='''
def yolo_encode(boxes, labels, S, C, image_size):
    """A set of taken cells, and lists of plain numbers."""
    is_tensor = isinstance(boxes, Tensor)
    kind = boxes.dtype if is_tensor and boxes.is_floating_point() else torch.float32
    device = boxes.device if is_tensor else None
    boxes = boxes.tolist() if is_tensor else boxes
    labels = labels.tolist() if isinstance(labels, Tensor) else labels
    target, taken = torch.zeros((S, S, 5 + C), dtype=kind, device=device), set()
    for (x1, y1, x2, y2), label in zip(boxes, labels):
        x, y = S * (x1 + x2) / 2 / image_size, S * (y1 + y2) / 2 / image_size
        cell = (min(math.floor(y), S - 1), min(math.floor(x), S - 1))
        if cell in taken:
            continue
        taken.add(cell)
        values = [1.0, x - cell[1], y - cell[0], (x2 - x1) / image_size, (y2 - y1) / image_size]
        one_hot = [float(c == label) for c in range(C)]
        target[cell] = torch.tensor(values + one_hot, dtype=kind, device=device)
    return target
''',
    ),
    Right(
        exercise="ex9-average-precision",
        name="torch-and-cummax",
        code='''
def average_precision(det_image, det_score, det_box, gt_image, gt_box, iou_threshold=0.5):
    """One table of overlaps; the envelope by a reversed cummax; area by the steps of the recall."""
    D, G = len(det_score), len(gt_box)
    if G == 0:
        return float("nan")
    if D == 0:
        return 0.0
    order = det_score.argsort(descending=True, stable=True)
    table = box_iou(det_box, gt_box)
    table = torch.where(det_image[:, None] == gt_image, table, torch.full_like(table, -1))[order]
    overlap, which = table.max(dim=1)
    free = torch.ones(G, dtype=torch.bool, device=gt_box.device)
    hit = torch.zeros(D, dtype=torch.float64, device=gt_box.device)
    for k in range(D):
        if overlap[k] >= iou_threshold and free[which[k]]:
            hit[k] = 1
            free[which[k]] = False
    found = hit.cumsum(0)
    precision = found / torch.arange(1, D + 1, device=hit.device)
    envelope = precision.flip(0).cummax(0).values.flip(0)
    recall = torch.cat([torch.zeros(1, dtype=hit.dtype, device=hit.device), found / G])
    return ((recall[1:] - recall[:-1]) * envelope).sum().item()
''',
    ),
    Right(
        exercise="ex9-average-precision",
        name="plain-python",
        code='''
def average_precision(det_image, det_score, det_box, gt_image, gt_box, iou_threshold=0.5):
    """Objects by picture, and lists."""
    if gt_box.shape[0] == 0:
        return math.nan
    by_picture = {}
    for g, image in enumerate(gt_image.tolist()):
        by_picture.setdefault(image, []).append(g)
    used = set()
    hits = []
    scores = det_score.tolist()
    for k in sorted(range(len(scores)), key=lambda k: -scores[k]):
        mine = by_picture.get(int(det_image[k]), [])
        values = box_iou(det_box[k].unsqueeze(0), gt_box[mine]).flatten().tolist() if mine else []
        if values and max(values) >= iou_threshold:
            g = mine[values.index(max(values))]
            hits.append(0 if g in used else 1)
            used.add(g)
        else:
            hits.append(0)
    total, best, count = 0.0, 0.0, sum(hits)
    for k in range(len(hits) - 1, -1, -1):
        best = max(best, count / (k + 1))
        total += best * hits[k]
        count -= hits[k]
    return total / gt_box.shape[0]
''',
    ),
    Right(
        exercise="ex9-mean-average-precision",
        name="loop-with-nan-test",
        code='''
def mean_average_precision(classes, iou_threshold=0.5):
    """All APs, without those that are nan."""
    total, count = 0.0, 0
    for det_image, det_score, det_box, gt_image, gt_box in classes:
        ap = average_precision(det_image, det_score, det_box, gt_image, gt_box, iou_threshold)
        if not math.isnan(ap):
            total, count = total + ap, count + 1
    return total / count if count else float("nan")
''',
    ),
    Right(
        exercise="ex9-mean-average-precision",
        name="numpy-nanmean",
        code='''
def mean_average_precision(classes, iou_threshold=0.5):
    """nanmean, without its warning for an empty list."""
    aps = np.array([average_precision(*c, iou_threshold=iou_threshold) for c in classes], dtype=float)
    aps = aps[~np.isnan(aps)]
    return float(aps.mean()) if aps.size else float("nan")
''',
    ),
]
